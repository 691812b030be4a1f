"""Decisions scored once more, by the model in the shadow, where no answer waits for it."""

import logging
import math
import threading
from queue import SimpleQueue

from serving.messages import Prediction
from serving.metrics import ComparisonMetrics
from serving.model import LiveModel, score
from serving.watcher import BundleWatcher

logger = logging.getLogger("predictflow.serving")

WAITING = 1_000
"""Decisions that may wait to be scored; past it they are left out, and counted."""

_Job = tuple[LiveModel, Prediction, list[float]]


class ShadowComparison:
    """A thread that scores decisions by the model in the shadow, counts and logs both scores."""

    def __init__(self, shadow: BundleWatcher, metrics: ComparisonMetrics) -> None:
        self._shadow = shadow
        self._metrics = metrics
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed: LiveModel | None = None

    def offer(self, prediction: Prediction, vector: list[float]) -> None:
        """Hands over a decision and its feature vector, where there is a shadow; never waits."""
        model = self._shadow.live
        if model is None:
            return
        if self._jobs.qsize() >= WAITING:
            self._metrics.unscored("busy")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
            self._thread.start()
        self._jobs.put((model, prediction, vector))

    def close(self, seconds: float = 5.0) -> None:
        """Ends the thread once all that waits is scored, or leaves it after some seconds."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(seconds)
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            model, prediction, vector = job
            try:
                self._compare(model, prediction, vector)
            except Exception:  # the thread goes on: the next decision may be scored
                self._metrics.unscored("failed")
                if self._failed is not model:  # once for each model
                    self._failed = model
                    fields = {"model_version": model.manifest.model_version}
                    logger.exception("shadow_failed", extra={"fields": fields})

    def _compare(self, model: LiveModel, prediction: Prediction, vector: list[float]) -> None:
        probability = score(model, vector)
        if not math.isfinite(probability):
            raise ValueError(f"the model answers {probability}, which is not a probability")
        is_fraud = probability > model.manifest.threshold
        self._metrics.scored(prediction, probability, is_fraud)
        fields = {
            "transaction_id": prediction.transaction_id,
            "model_version": prediction.model_version,
            "fraud_probability": prediction.fraud_probability,
            "is_fraud": prediction.is_fraud,
            "shadow_model_version": model.manifest.model_version,
            "shadow_fraud_probability": probability,
            "shadow_is_fraud": is_fraud,
            "degraded": prediction.degraded,
        }
        logger.info("shadow_scored", extra={"fields": fields})
