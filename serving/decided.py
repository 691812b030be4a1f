"""A decision as it is logged, from what the request's handler knows."""

import math
import time
import uuid

import msgspec

from fraud_platform.clock import MICROSECONDS
from fraud_platform.contracts.decisions import Decision, LoggedReason
from fraud_platform.features.online import Event
from fraud_platform.modelling.bundle import MODEL
from serving.messages import Prediction, PredictionRequest
from serving.model import LiveModel
from serving.online_store import Reading


class Asked(msgspec.Struct, frozen=True):
    """Who asked, and by which request: as in the answer's header and in the logs."""

    request_id: str = ""
    key_id: str | None = None


def decision_of(
    transaction: PredictionRequest,
    event: Event,
    vector: list[float],
    reading: Reading,
    model: LiveModel,
    prediction: Prediction,
    asked: Asked,
    seconds: float,
) -> Decision:
    """The record of a decision that was just made.

    `vector` is what was scored, NaN where missing; `seconds` is how long the request took so far.
    """
    decided_us = time.time_ns() // 1_000
    given = None if prediction.reasons is msgspec.UNSET else prediction.reasons
    return Decision(
        decision_id=uuid.uuid4().hex,
        decided_us=decided_us,
        request_id=asked.request_id,
        key_id=asked.key_id,
        transaction_id=transaction.transaction_id,
        timestamp_us=event.timestamp_us,
        user_id=transaction.user_id,
        merchant_id=transaction.merchant_id,
        device_id=transaction.device_id,
        amount_cents=event.amount_cents,
        features=[None if math.isnan(value) else value for value in vector],
        state_age_s=None
        if reading.as_of_us is None
        else (decided_us - reading.as_of_us) / MICROSECONDS,
        fault=reading.fault,
        model_version=prediction.model_version,
        model_sha256=model.manifest.sha256[MODEL],
        threshold=prediction.threshold,
        fraud_probability=prediction.fraud_probability,
        is_fraud=prediction.is_fraud,
        confidence=prediction.confidence,
        degraded=prediction.degraded,
        degraded_reason=prediction.degraded_reason,
        reasons=None
        if given is None
        else [
            LoggedReason(
                feature=one.feature,
                value=one.value,
                contribution=one.contribution,
                text=one.text,
            )
            for one in given
        ],
        latency_us=round(seconds * MICROSECONDS),
    )
