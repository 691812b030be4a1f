"""What Prometheus reads at `/metrics`; each app has its own registry."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from serving.messages import Prediction
from serving.model import LiveModel

_LATENCY_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
)
_DIFFERENCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MODEL_LABELS = ("model_name", "model_version", "partition")
_TENTHS = tuple(i / 10 for i in range(1, 11))


class Metrics:
    """The service's metrics, under the names of the dashboards."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._make_decision_metrics(self.registry)
        self.champion = BundleMetrics(self.registry, "fraud_model", "fraud_bundles_refused")
        self.shadow = BundleMetrics(self.registry, "fraud_shadow", "fraud_shadow_refused")
        self.comparison = ComparisonMetrics(self.registry)

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
        self._degraded = Counter(
            "fraud_predictions_degraded",
            "Decisions given without the online state",
            ["reason"],
            registry=registry,
        )

    def predicted(self, prediction: Prediction, fault: str | None, seconds: float) -> None:
        """Counts one decision, `fault` being the kind of the online store's."""
        (self._fraud if prediction.is_fraud else self._legitimate).inc()
        self._latency.observe(seconds)
        self._confidence.observe(prediction.confidence)
        if fault is not None:
            self._degraded.labels(fault).inc()


class BundleMetrics:
    """The bundle of one role: what is in service of it, and how many were refused."""

    def __init__(self, registry: CollectorRegistry, model: str, refused: str) -> None:
        self._info = Gauge(
            f"{model}_info", "The model in service", _MODEL_LABELS, registry=registry
        )
        self._loaded = Gauge(
            f"{model}_loaded_timestamp_seconds",
            "When the model in service was loaded; 0 without one",
            registry=registry,
        )
        self._refused = Counter(
            refused, "Bundles that were not taken into service", registry=registry
        )

    def live(self, model: LiveModel) -> None:
        """Notes the model that is in service from now on."""
        self._info.clear()
        said = [getattr(model.manifest, name) for name in _MODEL_LABELS]
        self._info.labels(*said).set(1)
        self._loaded.set(model.loaded_at.timestamp())

    def out(self) -> None:
        """Notes that none is in service any more."""
        self._info.clear()
        self._loaded.set(0)

    def refused(self) -> None:
        """Counts one bundle that was not taken into service."""
        self._refused.inc()


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
