"""From a transaction to a decision: the same steps for one and for a thousand of a batch."""

import asyncio
import math
import time
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from litestar import Request

from fraud_platform.modelling.reasons import Reason
from serving.decided import Case, Verdict, decision_of
from serving.messages import (
    Prediction,
    RefusedError,
    decode_request,
    event_of,
    reasons_wished,
)
from serving.model import LiveModel
from serving.online_store import Reading
from serving.problems import ProblemError
from serving.repeats import Standing
from serving.service import Service

_AGAIN_S = 0.002
"""Seconds between two looks at whether another worker has logged the decision that it claims."""


class Caller(NamedTuple):
    """Who asks, and how."""

    key_id: str | None
    request_id: str
    reasons: int | None
    """How many reasons they want; None for none."""
    started: float
    """When the handler was called, on the clock of `time.perf_counter`."""
    alone: bool
    """Whether it is about one transaction, rather than a batch."""


class Answer(NamedTuple):
    """A prediction as it goes over the wire, and whether it is one that was given before."""

    body: bytes
    replayed: bool


_encoder = msgspec.json.Encoder()


def caller_of(request: Request[Any, Any, Any], started: float, *, alone: bool = True) -> Caller:
    """Who asks, by what stands before the handlers; raises ProblemError for odd parameters."""
    state = request.scope["state"]
    key = state.get("key")
    return Caller(
        key_id=None if key is None else key.id,
        request_id=state.get("request_id", ""),
        reasons=_reasons_wished(request) if request.scope["query_string"] else None,
        started=started,
        alone=alone,
    )


def case_of(service: Service, caller: Caller, body: bytes | msgspec.Raw) -> Case:
    """The case in a JSON text; raises ProblemError 400 where it breaks the contract."""
    try:
        transaction = decode_request(body)
        event = event_of(transaction, time.time_ns() // 1_000)
    except RefusedError as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "invalid-transaction",
            "The transaction breaks the contract",
            error.detail,
            **error.known,
        ) from error
    if service.repeats is None:
        return Case(transaction, event, None)
    key = service.repeats.key_of(caller.key_id, transaction, event, caller.reasons)
    return Case(transaction, event, key)


def earlier_answer(service: Service, case: Case) -> Answer | None:
    """The answer that the same request had, where it came lately."""
    if service.repeats is None or case.key is None:
        return None
    body = service.repeats.find(case.key)
    return None if body is None else Answer(body, replayed=True)


def live_model(service: Service) -> LiveModel:
    """The champion of the moment; raises ProblemError 503 where there is none.

    Taken once for an answer: a swap while the features are read must not mix two models in it.
    """
    model = service.champion.live
    if model is not None:
        return model
    poll_s = service.settings.serving.poll_seconds
    detail = (
        "No model is in service. Materialize the asset deployed_model; the service takes it up "
        f"within {poll_s:g} s of that."
        if service.champion.refusal is None
        else "The deployed model was refused; /health/ready says why. Deploy a model again."
    )
    raise ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no-model",
        "No model is in service",
        detail,
        headers={"Retry-After": str(math.ceil(poll_s))},
    )


def verdict_of(
    service: Service,
    case: Case,
    model: LiveModel,
    reading: Reading,
    vector: list[float],
    probability: float,
    given: list[Reason] | None,
) -> Verdict:
    """The verdict of a model that gave a vector this probability and these reasons."""
    threshold = model.manifest.threshold
    is_fraud = probability > threshold
    taken = service.let_pass.taken(
        is_fraud=is_fraud,
        transaction_id=case.transaction.transaction_id,
        amount_cents=case.event.amount_cents,
    )
    prediction = Prediction(
        transaction_id=case.transaction.transaction_id,
        fraud_probability=probability,
        is_fraud=is_fraud,
        confidence=abs(probability - 0.5) * 2,
        threshold=threshold,
        model_version=model.manifest.model_version,
        action=taken.action,
        degraded=reading.fault is not None,
        degraded_reason=reading.reason,
        reasons=msgspec.UNSET if given is None else given,
    )
    return Verdict(model, reading, vector, prediction, taken)


async def answer_of(service: Service, caller: Caller, case: Case, verdict: Verdict) -> Answer:
    """Gives a verdict out: claimed, logged, counted; or the answer of who was first with it."""
    body = _encoder.encode(verdict.prediction)
    if service.repeats is not None and case.key is not None:
        must_be_logged = service.settings.serving.decision_log == "required"
        while True:
            claimed = service.repeats.claim(case.key, body, pending=must_be_logged)
            if isinstance(claimed, bytes):
                return Answer(claimed, replayed=True)
            if claimed is Standing.NEW:
                break
            await asyncio.sleep(_AGAIN_S)
        if must_be_logged:
            stored = False
            try:
                await _log(service, caller, case, verdict)
                stored = True
            finally:
                service.repeats.settle(case.key, stored=stored)
        else:
            await _log(service, caller, case, verdict)
    else:
        await _log(service, caller, case, verdict)
    transaction = case.transaction
    service.comparison.offer(verdict.prediction, verdict.vector)
    service.recording.offer(transaction.user_id, transaction.transaction_id, case.event)
    seconds = time.perf_counter() - caller.started if caller.alone else None
    service.metrics.predicted(verdict.prediction, verdict.reading.fault, seconds)
    service.metrics.read(verdict.reading.state_age_s)
    return Answer(body, replayed=False)


async def _log(service: Service, caller: Caller, case: Case, verdict: Verdict) -> None:
    """The one place where a decision becomes a row; not for an answer that was given before."""
    seconds = time.perf_counter() - caller.started
    decision = decision_of(case, verdict, caller.request_id, caller.key_id, seconds)
    await service.decisions.record(decision)


def _reasons_wished(request: Request[Any, Any, Any]) -> int | None:
    try:
        return reasons_wished(request.query_params.getall("reasons", []))
    except RefusedError as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "invalid-parameter",
            "A parameter of the query is not what it may be",
            error.detail,
            **error.known,
        ) from error
