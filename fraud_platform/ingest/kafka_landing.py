"""Landing what was polled: rows, rejects and the offsets they span in one commit of the lake."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from hashlib import sha256

import polars as pl
import pyarrow.dataset as ds
from kafka.structs import TopicPartition

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.batches import Rejected
from fraud_platform.ingest.first_day import note_days
from fraud_platform.ingest.ingested import Counting, Ingested
from fraud_platform.ingest.kafka_batch import NEW_FIELD, Pending, Topic, source_of
from fraud_platform.ingest.rows import landed_rows, now_us, reject_rows
from fraud_platform.lake.appender import SupersededError
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

ACCEPT = (
    "If that is so on purpose, go on with what there is by `predictflow ingest --kafka "
    "--accept-loss`, which notes the gap in the quarantine"
)


class KafkaLanding:
    """The lake's side of an ingestion: where each partition stands, and its next commit."""

    def __init__(self, settings: Settings, lake: Lake, topics: Mapping[str, Topic]) -> None:
        self._settings, self._lake, self._topics = settings, lake, topics
        self._ids = {name: topic.id for name, topic in topics.items()}
        self._appender = lake.appender(LANDED_EVENTS)
        self._counting = Counting(settings.ingest.late_days)
        self.done = Ingested()

    def identify(self, *, accept_loss: bool) -> None:
        """Holds the topics against those that were landed before.

        Raises PredictFlowError where a topic was made again: its offsets begin anew, so what was
        landed says nothing about it, and records of the former topic may be gone.
        """
        for topic in self._topics.values():
            mark = _fingerprint(topic.id)
            there = self._appender.positions(topic.identity)[topic.identity]
            if there == mark:
                continue
            if there and not accept_loss:
                raise PredictFlowError(
                    f"topic {topic.name} is not the one that was landed so far: it was made again, "
                    f"or kafka.brokers names another cluster. Nothing was landed. {ACCEPT}"
                )
            gap = f"topic {topic.name} was made again; what of the former one wasn't landed is lost"
            lost = [Rejected(-1, gap, b"")] if there else []
            try:
                self._appender.append(_gap(topic, -1, lost), {topic.identity: (there, mark)})
            except SupersededError as error:
                if error.positions[topic.identity] != mark:
                    raise

    def known_fields(self, topic: Topic) -> list[str]:
        """The fields beyond the contract that were noticed in this topic before."""
        where = (ds.field("kind") == "schema") & (ds.field("source") == topic.name)
        found = self._lake.read(LANDED_EVENTS, date.min, date.max, columns=["reason"], where=where)[
            "reason"
        ]
        return found.str.strip_prefix(NEW_FIELD).unique(maintain_order=True).to_list()

    def positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that each partition goes on from; 0 where nothing of it was landed."""
        sources = {self._source(at): at for at in partitions}
        found = self._appender.positions(*sources)
        return {sources[source]: offset for source, offset in found.items()}

    def land(
        self, pending: Pending, told: Callable[[Ingested, pl.DataFrame], None]
    ) -> dict[TopicPartition, int]:
        """Commits what waits; the partitions that another ingester moved on, and where to.

        Their rows are not landed here. `told` hears the counts and the rows of the commit. Raises
        UnavailableError, with everything still waiting, where the lake can't be written.
        """
        moved: dict[TopicPartition, int] = {}
        while pending.spans:
            rows = pending.frame()
            is_transaction = pl.col("kind") == "transaction"
            note_days(self._settings, rows.filter(is_transaction)["event_date"].unique())
            moves = {self._source(at): span for at, span in pending.spans.items()}
            began = time.monotonic()
            try:
                self._appender.append(rows, moves)
            except SupersededError as error:
                overtaken = {
                    at: error.positions[source]
                    for at in pending.spans
                    if (source := self._source(at)) in error.positions
                }
                moved |= overtaken
                self.done.superseded += len(overtaken)
                pending.drop(overtaken)
                continue
            took = time.monotonic() - began
            told(self._counting.count(self.done, rows, took, pending.age), rows)
            pending.clear()
        return moved

    def skip(self, at: TopicPartition, start: int, end: int, *, accept_loss: bool) -> None:
        """Moves a partition from `start` to the first offset that Kafka still has, `end`.

        Raises PredictFlowError where records between them were neither landed nor accepted as
        lost. A partition of which nothing was landed just begins where Kafka does.
        """
        topic = self._topics[at.topic]
        if start < end:
            gap = f"offsets {start} to {end - 1} were deleted by retention before they were landed"
        else:
            gap = f"the log ends at {end}, though it was landed up to {start}: its end was lost"
        if start and not accept_loss:
            raise PredictFlowError(
                f"topic {at.topic}, partition {at.partition}: {gap}. Nothing was landed of what "
                f"follows. {ACCEPT}"
            )
        lost = [Rejected(start, gap, b"")] if start else []
        self._appender.append(_gap(topic, at.partition, lost), {self._source(at): (start, end)})

    def _source(self, at: TopicPartition) -> str:
        return source_of(self._ids, at)


def _fingerprint(topic_id: str) -> int:
    """A topic's id as a position: positive, of 62 bits."""
    return int.from_bytes(sha256(topic_id.encode()).digest()[:8]) >> 2 | 1


def _gap(topic: Topic, partition: int, lost: list[Rejected]) -> pl.DataFrame:
    """What was lost as rows of the quarantine; without any a frame of no rows."""
    now = now_us()
    return landed_rows(
        [reject_rows(lost, now)],
        {
            "source": pl.lit(topic.name),
            "source_id": pl.lit(topic.id),
            "partition": pl.lit(partition, pl.Int32),
            "landed_at_us": pl.lit(now, pl.Int64),
        },
    )
