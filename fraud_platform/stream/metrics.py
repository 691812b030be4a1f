"""A stream worker's figures for Prometheus; nothing in them speaks of a single user."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fraud_platform.clock import MICROSECONDS
from fraud_platform.stream.payments import Payment
from fraud_platform.stream.streamed import Streamed

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class StreamMetrics:
    """Counters and gauges of one worker; the registry is its own, so tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = self._counter("events", "Events added to their users' recent ones.")
        self._duplicates = self._counter("duplicates", "Events that were there, or too old.")
        self._skipped = self._counter("skipped", "Records that the contract refuses.", "reason")
        self._batches = self._counter("batches", "Batches written and committed.")
        self._rebalances = self._counter("rebalances", "Times that partitions were assigned.")
        self._rereads = self._counter("rereads", "Times that the topic was read again.")
        self._faults = self._counter("faults", "Faults waited out and tried again.", "of")
        self._lag = Gauge(
            "fraud_stream_lag_records",
            "Records of a partition that wait to be written.",
            ["partition"],
            registry=self.registry,
        )
        self._last = Gauge(
            "fraud_stream_last_write_timestamp_seconds",
            "When the last batch was written.",
            registry=self.registry,
        )
        self._freshness = Histogram(
            "fraud_stream_freshness_seconds",
            "From an event's time, or its record's in Kafka, to being readable in the store.",
            ["since"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._told = Streamed()
        self._ours: set[int] = set()

    def written(self, added: Iterable[Payment]) -> None:
        """Takes up how fresh the events of a batch were when they could be read."""
        now = time.time()
        self._last.set(now)
        by_event, by_record = self._freshness.labels("event"), self._freshness.labels("record")
        for payment in added:
            by_event.observe(max(0.0, now - payment.event.timestamp_us / MICROSECONDS))
            by_record.observe(max(0.0, now - payment.stamp_ms / 1000))

    def looked(self, done: Streamed) -> None:
        """Takes up the counts and the lag as they are now."""
        told = self._told
        for counter, name in (
            (self._events, "events"),
            (self._duplicates, "duplicates"),
            (self._batches, "batches"),
            (self._rebalances, "rebalances"),
            (self._rereads, "rereads"),
        ):
            counter.inc(getattr(done, name) - getattr(told, name))
            setattr(told, name, getattr(done, name))
        for counter, name in ((self._skipped, "skipped"), (self._faults, "faults")):
            now, before = getattr(done, name), getattr(told, name)
            for reason in now:
                counter.labels(reason).inc(now[reason] - before[reason])
            setattr(told, name, now.copy())
        if done.lag.keys() != self._ours:  # others' lag is theirs to show
            self._lag.clear()
            self._ours = set(done.lag)
        for partition, lag in done.lag.items():
            self._lag.labels(str(partition)).set(lag)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"fraud_stream_{name}", text, labels, registry=self.registry)
