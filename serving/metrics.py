"""What Prometheus reads at `/metrics`; each app has its own registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from serving.messages import Prediction
from serving.model import LiveModel

_LATENCY_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
)
_TENTHS = tuple(i / 10 for i in range(1, 11))


class Metrics:
    """The service's metrics, under the names of the dashboards."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._make_decision_metrics(self.registry)
        self._make_model_metrics(self.registry)

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

    def _make_model_metrics(self, registry: CollectorRegistry) -> None:
        self._model = Info("fraud_model", "The model that answers", registry=registry)
        self._loaded = Gauge(
            "fraud_model_loaded_timestamp_seconds",
            "When the model that answers was loaded",
            registry=registry,
        )
        self._refused = Counter(
            "fraud_bundles_refused", "Bundles that were not taken into service", registry=registry
        )

    def predicted(self, prediction: Prediction, fault: str | None, seconds: float) -> None:
        """Counts one decision, `fault` being the kind of the online store's."""
        (self._fraud if prediction.is_fraud else self._legitimate).inc()
        self._latency.observe(seconds)
        self._confidence.observe(prediction.confidence)
        if fault is not None:
            self._degraded.labels(fault).inc()

    def model_live(self, model: LiveModel) -> None:
        """Notes the model that answers from now on."""
        manifest = model.manifest
        self._model.info(
            {
                "model_name": manifest.model_name,
                "model_version": manifest.model_version,
                "partition": manifest.partition,
            }
        )
        self._loaded.set(model.loaded_at.timestamp())

    def bundle_refused(self) -> None:
        """Counts one bundle that was not taken into service."""
        self._refused.inc()
