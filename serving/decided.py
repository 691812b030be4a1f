"""A decision as it is logged, from what the request's handler knows."""

import math
import time
import uuid
from typing import NamedTuple

import msgspec

from fraud_platform.clock import MICROSECONDS
from fraud_platform.contracts.decisions import Decision, LoggedReason
from fraud_platform.features.online import Event
from fraud_platform.let_pass import Taken
from fraud_platform.modelling.bundle import MODEL
from serving.messages import Prediction, PredictionRequest
from serving.model import LiveModel
from serving.online_store import Reading
from serving.repeats import RequestKey


class Case(NamedTuple):
    """One transaction to decide on."""

    transaction: PredictionRequest
    event: Event
    key: RequestKey | None
    """What it is known by where it comes again; None where nothing is kept for that."""


class Verdict(NamedTuple):
    """What was found about a case, with all that it was found from."""

    model: LiveModel
    reading: Reading
    vector: list[float]
    """What was scored, NaN where missing."""
    prediction: Prediction
    taken: Taken


def decision_of(
    case: Case, verdict: Verdict, request_id: str, key_id: str | None, seconds: float
) -> Decision:
    """The record of a decision that was just made.

    `request_id` is as in the answer's header and in the logs, `key_id` whose key asked; `seconds`
    is how long the request took so far.
    """
    transaction, event, _ = case
    model, reading, vector, prediction, taken = verdict
    decided_us = time.time_ns() // 1_000
    given = None if prediction.reasons is msgspec.UNSET else prediction.reasons
    return Decision(
        decision_id=uuid.uuid4().hex,
        decided_us=decided_us,
        request_id=request_id,
        key_id=key_id,
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
        action=taken.action,
        propensity=taken.propensity,
        pass_limit_cents=taken.limit_cents,
    )
