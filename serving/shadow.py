"""Decisions scored once more, by the model in the shadow, where no answer waits for it."""

import logging
import math
import threading
import time
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue

from serving.messages import Prediction
from serving.model import LiveModel, scores
from serving.model_metrics import ComparisonMetrics
from serving.watcher import BundleWatcher

logger = logging.getLogger("predictflow.serving")

WAITING = 1_000
"""Decisions that may wait to be scored; past it they are left out, and counted."""

COLLECT_S = 0.05
"""Seconds that decisions are collected for: scored one by one, each would take the interpreter's
lock from a request."""


@dataclass(frozen=True, slots=True)
class _Job:
    model: LiveModel
    prediction: Prediction
    vector: list[float]


class ShadowComparison:
    """A thread that scores decisions by the model in the shadow, counts and logs both scores."""

    def __init__(self, shadow: BundleWatcher, metrics: ComparisonMetrics) -> None:
        self._shadow = shadow
        self._metrics = metrics
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._told: LiveModel | None = None

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
        self._jobs.put(_Job(model, prediction, vector))

    def close(self, seconds: float = 5.0) -> None:
        """Ends the thread once all that waits is scored, or leaves it after some seconds."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(seconds)
            self._thread = None

    def _work(self) -> None:
        last = False
        while not last:
            waiting = [self._jobs.get()]
            time.sleep(COLLECT_S)
            waiting += [self._jobs.get() for _ in range(self._jobs.qsize())]
            last = None in waiting
            jobs = [job for job in waiting if job is not None]
            for _, batch in groupby(jobs, key=lambda job: id(job.model)):
                self._compare_all(list(batch))

    def _compare_all(self, batch: list[_Job]) -> None:
        model, fault = batch[0].model, None
        try:
            probabilities = scores(model, [job.vector for job in batch])
        except Exception as error:  # noqa: BLE001 - told below; the next model may score
            probabilities, fault = [math.nan] * len(batch), error
        for job, probability in zip(batch, probabilities, strict=True):
            if math.isfinite(probability):
                self._compare(model, job.prediction, probability)
            else:
                self._failed(model, fault)

    def _failed(self, model: LiveModel, fault: Exception | None) -> None:
        self._metrics.unscored("failed")
        if self._told is not model:  # once for each model
            self._told = model
            reason = "it answers no probability" if fault is None else "it cannot score"
            fields = {"model_version": model.manifest.model_version, "reason": reason}
            logger.error("shadow_failed", exc_info=fault, extra={"fields": fields})

    def _compare(self, model: LiveModel, prediction: Prediction, probability: float) -> None:
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
