"""What Prometheus reads of answers once given: kept for who asks again, and logged."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge


class RepeatMetrics:
    """What became of requests that came again, and of the answers kept for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._replayed = Counter(
            "fraud_requests_replayed",
            "Requests that were given the answer they had before",
            registry=registry,
        )
        self._changed = Counter(
            "fraud_requests_changed",
            "Requests judged anew that came with the id of another one",
            registry=registry,
        )
        lost = Counter(
            "fraud_repeats_lost",
            "Answers not kept for their whole time",
            ["reason"],
            registry=registry,
        )
        self._pushed_out, self._too_long = lost.labels("full"), lost.labels("too_long")

    def replayed(self) -> None:
        """Counts a request that was given the answer it had."""
        self._replayed.inc()

    def changed(self) -> None:
        """Counts a request with the id of another one."""
        self._changed.inc()

    def pushed_out(self) -> None:
        """Counts an answer that made room for a newer one before its time."""
        self._pushed_out.inc()

    def too_long(self) -> None:
        """Counts an answer that there is no room for."""
        self._too_long.inc()


class DecisionLogMetrics:
    """What became of the decisions' rows in the decision log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._logged = Counter(
            "fraud_decisions_logged", "Decisions stored in the decision log", registry=registry
        )
        self._spilled = Counter(
            "fraud_decisions_spilled",
            "Of the decisions stored, those in files because Kafka was away",
            registry=registry,
        )
        dropped = Counter(
            "fraud_decisions_dropped",
            "Decisions not stored: full and unwritten ones were given, refused ones were not",
            ["reason"],
            registry=registry,
        )
        self._dropped = {
            reason: dropped.labels(reason) for reason in ("full", "unwritten", "refused")
        }
        self._waiting = Gauge(
            "fraud_decisions_waiting",
            "Decisions that wait to be stored",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def logged(self, rows: int) -> None:
        """Counts rows that were stored."""
        self._logged.inc(rows)

    def spilled(self, rows: int) -> None:
        """Counts rows that went to the files because Kafka was away."""
        self._spilled.inc(rows)

    def dropped(self, reason: Literal["full", "unwritten", "refused"], rows: int) -> None:
        """Counts rows that were not stored."""
        self._dropped[reason].inc(rows)

    def waiting(self, rows: int) -> None:
        """Notes how many rows wait."""
        self._waiting.set(rows)
