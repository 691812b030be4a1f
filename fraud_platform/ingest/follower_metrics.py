"""A follower's figures for Prometheus, on a port of its own."""

import time

import polars as pl
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fraud_platform.clock import MICROSECONDS
from fraud_platform.ingest.ingested import Ingested

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class FollowerMetrics:
    """Counters and gauges of one follower; the registry is its own, so tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rows = self._counter("rows", "Rows landed.", "kind")
        self._rejected = self._counter("rejected", "Records set aside in the quarantine.")
        self._type_changed = self._counter("type_changed", "Rejected for a value of another type.")
        self._new_fields = self._counter("new_fields", "Fields seen that the contract lacks.")
        self._duplicates = self._counter(
            "duplicates", "Transactions whose id is among the last million of this follower."
        )
        self._late = self._counter("late", "Transactions landed after their day.", "too_late")
        self._rebalances = self._counter("rebalances", "Times that partitions were assigned.")
        self._superseded = self._counter(
            "superseded", "Partitions of a batch that another ingester had landed by then."
        )
        self._failures = self._counter("failures", "Faults that were waited out and tried again.")
        self._lag = Gauge(
            "fraud_ingest_lag_records",
            "Records of a partition that wait to be landed.",
            ["topic", "partition"],
            registry=self.registry,
        )
        self._last = Gauge(
            "fraud_ingest_last_commit_timestamp_seconds",
            "When the last batch was landed.",
            registry=self.registry,
        )
        self._delay = self._seconds("delay", "From a record's own timestamp to its commit.")
        self._batch = self._seconds("batch", "From a batch's first record to its commit.")
        self._commit = self._seconds("commit", "Writing a batch into the lake.")
        self._told = (0, 0)
        self._ours: set[str] = set()

    def landed(self, one: Ingested, rows: pl.DataFrame) -> None:
        """Takes up the counts of a commit and how long its records took."""
        self._rows.labels("transaction").inc(one.transactions)
        self._rows.labels("label").inc(one.labels)
        self._rows.labels("prediction").inc(one.predictions)
        self._rejected.inc(one.rejected)
        self._type_changed.inc(one.type_changed)
        self._new_fields.inc(len(one.new_fields))
        self._duplicates.inc(one.duplicates)
        self._late.labels("no").inc(one.late - one.too_late)
        self._late.labels("yes").inc(one.too_late)
        self._batch.observe(one.batch_seconds)
        self._commit.observe(one.commit_seconds)
        self._last.set(time.time())
        # The first and the last of each partition stand for the batch: a histogram of every
        # record would cost more than landing it.
        stamps = rows.group_by("source", "partition").agg(
            pl.col("broker_timestamp_us").min().alias("first"),
            pl.col("broker_timestamp_us").max().alias("last"),
        )
        now = time.time()
        for stamp in (*stamps["first"], *stamps["last"]):
            self._delay.observe(max(0.0, now - stamp / MICROSECONDS))

    def looked(self, done: Ingested) -> None:
        """Takes up lag and what the group went through, after each poll."""
        if done.lag.keys() != self._ours:  # others' lag is theirs to show
            self._lag.clear()
            self._ours = set(done.lag)
        for name, lag in done.lag.items():
            self._lag.labels(*name.rsplit("/", 1)).set(lag)
        rebalances, superseded = self._told
        self._rebalances.inc(done.rebalances - rebalances)
        self._superseded.inc(done.superseded - superseded)
        self._told = (done.rebalances, done.superseded)

    def failed(self, _error: Exception) -> None:
        self._failures.inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"fraud_ingest_{name}", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"fraud_ingest_{name}_seconds", text, buckets=_SECONDS, registry=self.registry
        )
