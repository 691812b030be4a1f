"""What Prometheus reads of the online store: how it is read, and what is recorded into it."""

from collections.abc import Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.breaker import BreakerState

_DELAY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class StoreMetrics:
    """Whether the online store is asked at all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "fraud_online_store_breaker_open",
            "Workers that do not ask the online store, because it did not answer",
            multiprocess_mode="livesum",
            registry=registry,
        )
        changes = Counter(
            "fraud_online_store_breaker_changes",
            "Times that the circuit breaker before the online store opened or closed",
            ["to"],
            registry=registry,
        )
        self._changes: dict[BreakerState, Counter] = {
            "open": changes.labels("open"),
            "closed": changes.labels("closed"),
        }

        self._read_age = Gauge(
            "fraud_stream_read_age_seconds",
            "How long ago the workers that keep recent events had read all of the stream; 0 where "
            "none is to",
            multiprocess_mode="livemax",
            registry=registry,
        )

    def stream_read(self, age_s: float) -> None:
        """Notes how long ago the stream was read to its end."""
        self._read_age.set(age_s)

    def breaker(self, state: BreakerState) -> None:
        """Notes that the breaker opened or closed."""
        self._open.set(state == "open")
        self._changes[state].inc()


class RecordingMetrics:
    """What the service recorded into users' recent events, and what it could not."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._recorded = Counter(
            "fraud_recorded_payments", "Payments recorded as recent events", registry=registry
        )
        self._known = Counter(
            "fraud_recorded_again", "Payments that were recorded already", registry=registry
        )
        self._delay = Histogram(
            "fraud_recording_delay_seconds",
            "Time from a decision to its payment being seen by the next ones",
            buckets=_DELAY_S,
            registry=registry,
        )
        self._failures = Counter(
            "fraud_recording_failures", "Writes that failed and were tried again", registry=registry
        )
        lost = Counter(
            "fraud_unrecorded_payments", "Payments never recorded", ["reason"], registry=registry
        )
        self._lost = {reason: lost.labels(reason) for reason in ("busy", "failed", "ended")}

    def recorded(self, delays_s: Sequence[float], known: int) -> None:
        """Counts payments recorded, each with its delay, and those that were there already."""
        self._recorded.inc(len(delays_s))
        self._known.inc(known)
        for delay in delays_s:
            self._delay.observe(delay)

    def failed(self) -> None:
        """Counts one write that failed."""
        self._failures.inc()

    def lost(self, reason: Literal["busy", "failed", "ended"], payments: int) -> None:
        """Counts payments that are never recorded."""
        self._lost[reason].inc(payments)
