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
        # transaction | label | prediction (a decision of the service) | rejected |
        # resolved (a rejected one that was replayed or dropped) |
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
        raw=pa.binary(),  # of a rejected record, and of a decision of the service
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

# What the service decided: `features` in the order of the model's, null where missing.
PREDICTION_LOG = Table(
    "prediction_log",
    columns(
        event_date=pa.date32(),  # the day of decided_us
        decision_id=pa.string(),
        decided_us=pa.int64(),
        request_id=pa.string(),
        key_id=pa.string(),
        transaction_id=pa.string(),
        timestamp_us=pa.int64(),
        user_id=pa.string(),
        merchant_id=pa.string(),
        device_id=pa.string(),
        amount_cents=pa.int64(),
        features=pa.list_(pa.float64()),
        state_age_s=pa.float64(),
        fault=pa.string(),
        model_version=pa.string(),
        model_sha256=pa.string(),
        threshold=pa.float64(),
        fraud_probability=pa.float64(),
        is_fraud=pa.bool_(),
        confidence=pa.float64(),
        degraded=pa.bool_(),
        degraded_reason=pa.string(),
        reasons=pa.string(),
        latency_us=pa.int64(),
        # Null in days that were made before there were any.
        action=pa.string(),
        propensity=pa.float64(),
        pass_limit_cents=pa.int64(),
    ),
    sort_by=("decided_us", "decision_id"),
)

PREDICTION_DOCS = {
    "event_date": "UTC day of the decision.",
    "decision_id": "The decision, given by the service.",
    "decided_us": "When it was decided, in microseconds UTC.",
    "request_id": "The request's id, as in the answer's header and in the logs.",
    "key_id": "The API key that asked; null without keys.",
    "transaction_id": "The transaction; asked for again with other content it is here again.",
    "features": "The vector that was scored, in the order of the model's features; null: missing.",
    "state_age_s": "Seconds since the oldest view of the online state read was complete; null "
    "where the store knew neither the user nor the merchant.",
    "fault": "What was wrong with the online store; null where nothing was.",
    "model_version": "The model's version in the registry.",
    "model_sha256": "The sha256 of the bundle's model.ubj.",
    "threshold": "The model's threshold.",
    "fraud_probability": "The model's probability.",
    "is_fraud": "The verdict: fraud_probability > threshold.",
    "confidence": "|fraud_probability - 0.5| * 2.",
    "degraded": "Whether it was scored without the online state.",
    "degraded_reason": "Why, as it was answered.",
    "reasons": "The reasons given, as JSON; null where none were asked for.",
    "latency_us": "Microseconds from the request's arrival at the handler to the decision.",
    "action": "What the caller was told to do: block, or allow, also where a would-be block was "
    "let pass at random; null in days of before, where it is by is_fraud.",
    "propensity": "The probability of that action, given the verdict; 1, or null, where nothing "
    "was drawn.",
    "pass_limit_cents": "The amount over which no would-be block was let pass; null where there "
    "was no such limit.",
}
"""What columns mean in `prediction_log`, where COLUMN_DOCS has none of them or means another."""

COLUMN_DOCS = {
    "kind": "transaction, label, prediction (a decision of the service), rejected, resolved "
    "(replayed or dropped) or schema (a new field).",
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
    "raw": "The bytes of a rejected record or a decision; of a resolved record those landed "
    "instead, if corrected.",
    "key": "The rejected Kafka record's key.",
    "broker_timestamp_us": "The Kafka record's own timestamp, in microseconds UTC.",
}
