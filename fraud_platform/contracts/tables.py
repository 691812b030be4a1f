"""The lake's tables: name, Arrow schema, and the column that they are partitioned by.

Money is int64 cents and time int64 microseconds UTC in every table. `event_date` is the day that a
row belongs to: the day of the transaction, or, for a label, the day from which it was known.
"""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """A Delta table: directory name below the lake, columns in order, sort order within a day."""

    name: str
    schema: pa.Schema
    sort_by: tuple[str, ...]
    partition_by: tuple[str, ...] = ("event_date",)


def columns(**kinds: pa.DataType) -> pa.Schema:
    """An Arrow schema from `name=type` in order."""
    return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])


# Transactions, labels and rejected records share one table, because one Delta commit covers one
# table: rows, rejects and the position that they were read up to are then recorded together.
LANDED_EVENTS = Table(
    "landed_events",
    columns(
        # transaction | label | rejected | resolved (a rejected one that was replayed or dropped) |
        # schema (the first record with a field that the contract doesn't know)
        kind=pa.string(),
        event_date=pa.date32(),  # of the last three: the day that they were written
        source=pa.string(),  # the file's name, or the topic
        source_id=pa.string(),  # sha256 of the file and its mapping, or the topic's id
        partition=pa.int32(),
        offset=pa.int64(),  # row number in the file, or the Kafka offset
        landed_at_us=pa.int64(),
        transaction_id=pa.string(),
        timestamp_us=pa.int64(),
        user_id=pa.string(),
        merchant_id=pa.string(),
        device_id=pa.string(),
        amount_cents=pa.int64(),
        is_fraud=pa.bool_(),
        labelled_at_us=pa.int64(),
        label_source=pa.string(),
        reason=pa.string(),
        raw=pa.binary(),
        key=pa.binary(),  # of a rejected Kafka record
        broker_timestamp_us=pa.int64(),  # of a Kafka record
    ),
    sort_by=("landed_at_us", "source_id", "partition", "offset"),
    partition_by=("kind", "event_date"),
)

RAW_TRANSACTIONS = Table(
    "raw_transactions",
    columns(
        event_date=pa.date32(),
        transaction_id=pa.string(),
        timestamp_us=pa.int64(),
        user_id=pa.string(),
        merchant_id=pa.string(),
        device_id=pa.string(),
        amount_cents=pa.int64(),
    ),
    sort_by=("timestamp_us", "transaction_id"),
)

TRANSACTION_LABELS = Table(
    "transaction_labels",
    columns(
        event_date=pa.date32(),  # the day of labelled_at_us
        transaction_id=pa.string(),
        labelled_at_us=pa.int64(),
        is_fraud=pa.bool_(),
        label_source=pa.string(),
        # Of the labelled transaction; null where it isn't in the lake.
        timestamp_us=pa.int64(),
        user_id=pa.string(),
        merchant_id=pa.string(),
        amount_cents=pa.int64(),
    ),
    sort_by=("labelled_at_us", "transaction_id"),
)

COLUMN_DOCS = {
    "kind": "transaction, label, rejected, resolved (replayed or dropped) or schema (a new field).",
    "event_date": "UTC day that the row is filed under.",
    "source": "File name or topic that the record came from.",
    "source_id": "sha256 of the file's content and mapping, or the topic's id.",
    "partition": "Partition of the topic; 0 for a file.",
    "offset": "Record number in the file, or offset in the partition.",
    "landed_at_us": "When the record was landed, in microseconds UTC.",
    "transaction_id": "The transaction, unique within its day.",
    "timestamp_us": "When the payment was made, in microseconds UTC.",
    "user_id": "Who pays.",
    "merchant_id": "Who is paid.",
    "device_id": "The device that was used, where known.",
    "amount_cents": "Amount in cents.",
    "is_fraud": "The label's verdict.",
    "labelled_at_us": "From when on the label was known, in microseconds UTC.",
    "label_source": "Who labelled.",
    "reason": "Why the record was rejected, or how and why it was resolved.",
    "raw": "The rejected record's bytes; of a resolved one those landed instead, if corrected.",
    "key": "The rejected Kafka record's key.",
    "broker_timestamp_us": "The Kafka record's own timestamp, in microseconds UTC.",
}
