"""What Prometheus reads at `/metrics`.

An app alone has its own registry. Workers of one service keep their figures in files that all of
them read (`worker.py`), so whichever is asked answers for all. There, labels cannot be taken away
and gauges need a `multiprocess_mode`, one of the `live` ones if it goes with its worker.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.samples import Sample

from serving.answer_metrics import DecisionLogMetrics, RepeatMetrics
from serving.exposition import WorkerMetrics, shared_directory
from serving.key_ring import Fault
from serving.messages import Prediction
from serving.minutes import Counted
from serving.model_metrics import BundleMetrics, ComparisonMetrics, MirrorMetrics
from serving.store_metrics import RecordingMetrics, StoreMetrics

_LATENCY, _BATCH_LATENCY = "fraud_prediction_latency_seconds", "fraud_batch_latency_seconds"
LATENCY_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
)
_TENTHS = tuple(i / 10 for i in range(1, 11))


class Metrics:
    """The service's metrics, under the names of the dashboards."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.timed: Callable[[str, float], None] | None = None
        """Who is told each answer's time beside the histograms, by their name, in seconds."""
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
        self._predictions = predictions
        self._fraud = predictions.labels("fraud")
        self._legitimate = predictions.labels("legitimate")
        self._let_pass = Counter(
            "fraud_predictions_let_pass",
            "Of the frauds, those that were let pass at random",
            registry=registry,
        )
        self._latency = Histogram(
            _LATENCY,
            "Time from a request's arrival at the handler to its decision",
            buckets=LATENCY_S,
            registry=registry,
        )
        self._confidence = Histogram(
            "fraud_model_confidence",
            "Confidence of the decisions: |p - 0.5| * 2",
            buckets=_TENTHS,
            registry=registry,
        )
        self._batches = Histogram(
            _BATCH_LATENCY,
            "Time from a batch's arrival at the handler to its last decision",
            buckets=LATENCY_S,
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
        if prediction.is_fraud and prediction.action == "allow":
            self._let_pass.inc()
        if seconds is not None:
            self._latency.observe(seconds)
            if self.timed is not None:
                self.timed(_LATENCY, seconds)
        self._confidence.observe(prediction.confidence)
        if fault is not None:
            self._degraded.labels(fault).inc()

    def counted(self) -> Counted:
        """What this worker counted so far, for the minutes."""
        decided = {
            sample.labels.get("prediction"): sample.value for sample in _of(self._predictions)
        }
        up_to = [int(one.value) for one in _of(self._latency) if one.name.endswith("_bucket")]
        return Counted(
            decisions=int(sum(decided.values())),
            alarms=int(decided["fraud"]),
            degraded=int(sum(sample.value for sample in _of(self._degraded))),
            latencies=tuple(high - low for low, high in pairwise((0, *up_to))),
        )

    def batch(self, transactions: int, seconds: float) -> None:
        """Counts and times one batch."""
        self._batch_items.inc(transactions)
        self._batches.observe(seconds)
        if self.timed is not None:
            self.timed(_BATCH_LATENCY, seconds)


def _of(metric: Counter | Histogram) -> list[Sample]:
    """Its samples, without those that say when it was made."""
    (family,) = metric.collect()
    return [sample for sample in family.samples if not sample.name.endswith("_created")]


class AccessMetrics:
    """Requests that were turned away for what they came with, or not answered for our fault."""

    def __init__(self, registry: CollectorRegistry) -> None:
        refused = Counter(
            "fraud_requests_refused", "Requests turned away", ["reason"], registry=registry
        )
        reasons = ("missing", "unknown", "expired", "revoked", "scope", "rate")
        self._refused = {reason: refused.labels(reason) for reason in reasons}
        failed = Counter(
            "fraud_requests_failed",
            "Requests for decisions answered with 500 or 503",
            ["status"],
            registry=registry,
        )
        self._failed = {status: failed.labels(str(status)) for status in (500, 503)}

    def refused(self, reason: Literal[Fault, "scope", "rate"]) -> None:
        """Counts one request without a key that is taken, of another scope, or too many."""
        self._refused[reason].inc()

    def failed(self, status: int) -> None:
        """Counts one request for a decision that was answered with this status, 500 or over."""
        self._failed.get(status, self._failed[500]).inc()
