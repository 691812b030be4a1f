"""What was polled and decoded, and waits to be landed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from fraud_platform.ingest.contract_decoder import ContractDecoder, Decoded
from fraud_platform.ingest.decision_rows import DecisionDecoder
from fraud_platform.ingest.mapping import Kind
from fraud_platform.ingest.rows import (
    label_rows,
    landed_rows,
    now_us,
    reject_rows,
    transaction_rows,
)
from fraud_platform.settings import Ingest

NEW_FIELD = "new field "

TopicKind = Kind | Literal["predictions"]


@dataclass(frozen=True)
class Topic:
    """A topic of the settings; `id` is new whenever a topic of that name is made again."""

    name: str
    kind: TopicKind
    id: str

    @property
    def identity(self) -> str:
        """The name of the source that says which topic of that name was landed."""
        return f"kafka-topic/{self.name}"


def source_of(ids: Mapping[str, str], at: TopicPartition) -> str:
    """The name of a partition as a source of the lake; `ids` are the topics' ids by name."""
    return f"kafka/{ids[at.topic]}/{at.partition}"


class Pending:
    """Rows of records that wait for their commit, and the offsets that they span.

    Records are kept as columns, decoded as they are polled, so that a full batch takes a fraction
    of what its records would.
    """

    def __init__(self, limits: Ingest) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        # Partition, rows, and bytes of the records.
        self._polled: list[tuple[TopicPartition, pl.DataFrame, int]] = []
        # Where the lake must stand for the rows to follow it, and where it stands with them.
        self.spans: dict[TopicPartition, tuple[int, int]] = {}
        self._since: float | None = None

    @property
    def room(self) -> int:
        """How many more records may be polled before a commit."""
        if sum(size for *_, size in self._polled) >= self._limits.batch_mib * 2**20:
            return 0
        return max(0, self._limits.batch_rows - sum(rows.height for _, rows, _ in self._polled))

    @property
    def age(self) -> float:
        """How many seconds the first of the records has waited."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    @property
    def seconds_left(self) -> float:
        """How long until the first of the records has waited long enough."""
        return max(0.0, self._limits.batch_seconds - self.age)

    @property
    def due(self) -> bool:
        return bool(self.spans) and (self.room == 0 or self.seconds_left == 0)

    def add(
        self,
        topic: Topic,
        decoder: ContractDecoder | DecisionDecoder,
        records: Sequence[ConsumerRecord],
        follows: int,
    ) -> None:
        """Decodes records of one partition, in the order of their offsets.

        `follows` is the position that they were read from: all before it was landed, or polled.
        """
        at = TopicPartition(topic.name, records[0].partition)
        now = now_us()
        decoded = decoder.decode([record.value for record in records], now)
        rows = _rows(topic, records, decoded, now)
        self._polled.append((at, rows, sum(map(_size, records))))
        self.spans[at] = (self.spans.get(at, (follows, 0))[0], records[-1].offset + 1)
        self._since = self._since or time.monotonic()

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forgets what was polled of partitions: another consumer lands it, or we poll it again."""
        gone = set(partitions)
        self._polled = [one for one in self._polled if one[0] not in gone]
        self.spans = {at: span for at, span in self.spans.items() if at not in gone}
        if not self.spans:
            self.clear()

    def put_back(self, earlier: "Pending", read_next: Mapping[TopicPartition, int]) -> None:
        """Takes over what an earlier batch holds, before what this one holds.

        Partitions that aren't read on from where that batch ended are left out: they went to
        another consumer, or are read once more from where the lake stands. `read_next` gives the
        offset that each partition is read from next.
        """
        for at, (follows, end) in earlier.spans.items():
            goes_on, last = self.spans.get(at, (read_next.get(at), end))
            if goes_on == end:
                self.spans[at] = (follows, last)
            else:
                earlier.drop([at])
        self._polled = earlier._polled + self._polled
        self._since = earlier._since or self._since

    def frame(self) -> pl.DataFrame:
        """The rows as they are landed now."""
        rows = pl.concat([rows for _, rows, _ in self._polled])
        return rows.with_columns(landed_at_us=now_us())


def _size(record: ConsumerRecord) -> int:
    return record.serialized_value_size or 0


def _rows(
    topic: Topic, records: Sequence[ConsumerRecord], decoded: Decoded, now: int
) -> pl.DataFrame:
    good = decoded.accepted
    match topic.kind:
        case "transactions":
            accepted = transaction_rows(good)
        case "labels":
            accepted = label_rows(good, pl.col("source"), 0)
        case "predictions":
            accepted = good
    rejects = reject_rows(decoded.rejected, now).with_columns(
        key=pl.Series([records[reject.offset].key for reject in decoded.rejected], dtype=pl.Binary),
    )
    schema = pl.DataFrame(
        {
            "offset": list(decoded.new_fields.values()),
            "reason": [NEW_FIELD + name for name in decoded.new_fields],
            "raw": [records[index].value for index in decoded.new_fields.values()],
        },
        schema={"offset": pl.Int64, "reason": pl.String, "raw": pl.Binary},
    ).with_columns(kind=pl.lit("schema"), event_date=pl.from_epoch(pl.lit(now), "us").dt.date())
    frame = landed_rows(
        [accepted, rejects, schema],
        {
            "source": pl.lit(topic.name),
            "source_id": pl.lit(topic.id),
            "partition": pl.lit(records[0].partition, pl.Int32),
            "landed_at_us": pl.lit(now, pl.Int64),
        },
    )
    index = frame["offset"]  # so far the record's place in the poll
    offsets = pl.Series([record.offset for record in records], dtype=pl.Int64)
    stamps = pl.Series([record.timestamp * 1000 for record in records], dtype=pl.Int64)
    return frame.with_columns(
        offset=offsets.gather(index), broker_timestamp_us=stamps.gather(index)
    )
