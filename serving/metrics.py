"""What Prometheus reads at `/metrics`.

An app alone has its own registry. Workers of one service keep their figures in files that all of
them read (`worker.py`), so whichever is asked answers for all. There, labels cannot be taken away
and gauges need a `multiprocess_mode`, one of the `live` ones if it goes with its worker.
"""

from collections.abc import Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from serving.breaker import BreakerState
from serving.exposition import WorkerMetrics, shared_directory
from serving.key_ring import Fault
from serving.messages import Prediction
from serving.model import LiveModel

_LATENCY_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
)
_DIFFERENCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MODEL_LABELS = ("model_name", "model_version", "partition")
_DELAY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TENTHS = tuple(i / 10 for i in range(1, 11))


class Metrics:
    """The service's metrics, under the names of the dashboards."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        if shared_directory() is None:
            ProcessCollector(registry=self.registry)
        self.worker = WorkerMetrics(self.registry)
        self._make_decision_metrics(self.registry)
        self.champion = BundleMetrics(self.registry, "fraud_model", "fraud_bundles_refused")
        self.shadow = BundleMetrics(self.registry, "fraud_shadow", "fraud_shadow_refused")
        self.comparison = ComparisonMetrics(self.registry)
        self.store = StoreMetrics(self.registry)
        self.repeats = RepeatMetrics(self.registry)
        self.decisions = DecisionLogMetrics(self.registry)
        self.access = AccessMetrics(self.registry)
        self.recording = RecordingMetrics(self.registry)
        self.mirror = MirrorMetrics(self.registry)

    def _make_decision_metrics(self, registry: CollectorRegistry) -> None:
        predictions = Counter(
            "fraud_predictions", "Decisions given", ["prediction"], registry=registry
        )
        self._fraud = predictions.labels("fraud")
        self._legitimate = predictions.labels("legitimate")
        self._latency = Histogram(
            "fraud_prediction_latency_seconds",
            "Time from a request's arrival at the handler to its decision",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._confidence = Histogram(
            "fraud_model_confidence",
            "Confidence of the decisions: |p - 0.5| * 2",
            buckets=_TENTHS,
            registry=registry,
        )
        self._batches = Histogram(
            "fraud_batch_latency_seconds",
            "Time from a batch's arrival at the handler to its last decision",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._batch_items = Counter(
            "fraud_batch_transactions", "Transactions that came in batches", registry=registry
        )
        self._degraded = Counter(
            "fraud_predictions_degraded",
            "Decisions given without the online state",
            ["reason"],
            registry=registry,
        )
        self._state_age = Gauge(
            "fraud_online_state_age_seconds",
            "How long ago the state that was read last was complete, by the view furthest behind",
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def read(self, state_age_s: float | None) -> None:
        """Notes the age of an online state that was read; None where none was."""
        if state_age_s is not None:
            self._state_age.set(state_age_s)

    def predicted(self, prediction: Prediction, fault: str | None, seconds: float | None) -> None:
        """Counts one decision, `fault` being the kind of the online store's.

        `seconds` is None for one of a batch, which is timed as a whole.
        """
        (self._fraud if prediction.is_fraud else self._legitimate).inc()
        if seconds is not None:
            self._latency.observe(seconds)
        self._confidence.observe(prediction.confidence)
        if fault is not None:
            self._degraded.labels(fault).inc()

    def batch(self, transactions: int, seconds: float) -> None:
        """Counts and times one batch."""
        self._batch_items.inc(transactions)
        self._batches.observe(seconds)


class AccessMetrics:
    """Requests that were turned away for what they came with."""

    def __init__(self, registry: CollectorRegistry) -> None:
        refused = Counter(
            "fraud_requests_refused", "Requests turned away", ["reason"], registry=registry
        )
        reasons = ("missing", "unknown", "expired", "revoked", "scope", "rate")
        self._refused = {reason: refused.labels(reason) for reason in reasons}

    def refused(self, reason: Literal[Fault, "scope", "rate"]) -> None:
        """Counts one request without a key that is taken, of another scope, or too many."""
        self._refused[reason].inc()


class BundleMetrics:
    """The bundle of one role: what is in service of it, and how many were refused."""

    def __init__(self, registry: CollectorRegistry, model: str, refused: str) -> None:
        self._info = Gauge(
            f"{model}_info",
            "The model in service",
            _MODEL_LABELS,
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._loaded = Gauge(
            f"{model}_loaded_timestamp_seconds",
            "When the model in service was loaded; 0 without one",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._said: list[str] = []
        self._refused = Counter(
            refused, "Bundles that were not taken into service", registry=registry
        )

    def live(self, model: LiveModel) -> None:
        """Notes the model that is in service from now on."""
        former = self._said
        self._said = [getattr(model.manifest, name) for name in _MODEL_LABELS]
        self._info.labels(*self._said).set(1)
        if former and former != self._said:
            self._info.labels(*former).set(0)  # and `exposition` leaves it out
        self._loaded.set(model.loaded_at.timestamp())

    def out(self) -> None:
        """Notes that none is in service any more."""
        if self._said:
            self._info.labels(*self._said).set(0)
        self._loaded.set(0)

    def refused(self) -> None:
        """Counts one bundle that was not taken into service."""
        self._refused.inc()


class MirrorMetrics:
    """Looks at the bundles in S3, where they are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        looks = Counter(
            "fraud_bundles_looks", "Looks at the bundles in S3", ["outcome"], registry=registry
        )
        self._looks = {outcome: looks.labels(outcome) for outcome in ("ok", "away", "refused")}

    def looked(self, outcome: Literal["ok", "away", "refused"]) -> None:
        """Counts one look, and whether S3 was away or what it has was refused."""
        self._looks[outcome].inc()


class ComparisonMetrics:
    """What the model in the shadow says beside the champion."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disagreements = Counter(
            "fraud_shadow_disagreements",
            "Decisions that the shadow would have given otherwise",
            ["champion", "shadow"],
            registry=registry,
        )
        self._stricter = disagreements.labels("legitimate", "fraud")
        self._laxer = disagreements.labels("fraud", "legitimate")
        self._difference = Histogram(
            "fraud_shadow_difference",
            "Absolute difference between the two probabilities",
            buckets=_DIFFERENCES,
            registry=registry,
        )
        self._scores = Counter("fraud_shadow_scores", "Decisions scored too", registry=registry)
        unscored = Counter(
            "fraud_shadow_unscored", "Decisions left out", ["reason"], registry=registry
        )
        self._unscored = {reason: unscored.labels(reason) for reason in ("busy", "failed")}

    def scored(self, champion: Prediction, probability: float, is_fraud: bool) -> None:
        """Counts one decision and the shadow's probability and verdict beside it."""
        self._scores.inc()
        self._difference.observe(abs(champion.fraud_probability - probability))
        if is_fraud != champion.is_fraud:
            (self._stricter if is_fraud else self._laxer).inc()

    def unscored(self, reason: Literal["busy", "failed"]) -> None:
        """Counts one decision that the shadow did not score."""
        self._unscored[reason].inc()


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

    def breaker(self, state: BreakerState) -> None:
        """Notes that the breaker opened or closed."""
        self._open.set(state == "open")
        self._changes[state].inc()


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
