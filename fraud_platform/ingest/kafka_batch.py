"""What was polled and decoded, and waits to be landed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from fraud_platform.ingest.contract_decoder import ContractDecoder, Decoded
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


@dataclass(frozen=True)
class Topic:
    """A topic of the settings; `id` is new whenever a topic of that name is made again."""

    name: str
    kind: Kind
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
        self._frames: list[tuple[TopicPartition, pl.DataFrame]] = []
        # First offset that was polled, and the one after the last.
        self.spans: dict[TopicPartition, tuple[int, int]] = {}
        self._bytes = 0
        self._since: float | None = None

    @property
    def rows(self) -> int:
        return sum(end - start for start, end in self.spans.values())

    @property
    def room(self) -> int:
        """How many more records may be polled before a commit."""
        full = self._bytes >= self._limits.batch_mib * 2**20
        return 0 if full else max(0, self._limits.batch_rows - self.rows)

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
        self, topic: Topic, decoder: ContractDecoder, records: Sequence[ConsumerRecord]
    ) -> None:
        """Decodes records of one partition, in the order of their offsets."""
        at = TopicPartition(topic.name, records[0].partition)
        now = now_us()
        decoded = decoder.decode([record.value for record in records], now)
        self._frames.append((at, _rows(topic, records, decoded, now)))
        start = self.spans.get(at, (records[0].offset, 0))[0]
        self.spans[at] = (start, records[-1].offset + 1)
        self._bytes += sum(map(_size, records))
        self._since = self._since or time.monotonic()

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forgets what was polled of partitions: another consumer lands it, or we poll it again."""
        gone = set(partitions)
        self._frames = [(at, frame) for at, frame in self._frames if at not in gone]
        self.spans = {at: span for at, span in self.spans.items() if at not in gone}
        if not self.spans:
            self.clear()

    def put_back(self, earlier: "Pending") -> None:
        """Takes over what an earlier batch holds, before what this one holds."""
        self._frames = earlier._frames + self._frames
        later, self.spans = self.spans, dict(earlier.spans)
        for at, (start, end) in later.items():
            self.spans[at] = (self.spans.get(at, (start, end))[0], end)
        self._bytes += earlier._bytes
        self._since = earlier._since or self._since

    def frame(self) -> pl.DataFrame:
        """The rows as they are landed now."""
        return pl.concat([frame for _, frame in self._frames]).with_columns(landed_at_us=now_us())


def _size(record: ConsumerRecord) -> int:
    return record.serialized_value_size or 0


def _rows(
    topic: Topic, records: Sequence[ConsumerRecord], decoded: Decoded, now: int
) -> pl.DataFrame:
    good = decoded.accepted
    if topic.kind == "transactions":
        accepted = transaction_rows(good)
    else:
        accepted = label_rows(good, pl.col("source"), 0)
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
