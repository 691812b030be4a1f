"""What Prometheus reads of the models: in service, in the shadow, on their way."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.messages import Prediction
from serving.model import LiveModel

_DIFFERENCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MODEL_LABELS = ("model_name", "model_version", "partition")


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
