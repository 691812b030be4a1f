"""`POST /predict`: one transaction in, one decision out."""

import math
import time
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, post

from fraud_platform.features.online import compute_vector
from fraud_platform.modelling.reasons import reasons
from serving.messages import (
    Prediction,
    PredictionRequest,
    RefusedError,
    decode_request,
    event_of,
    reasons_wished,
)
from serving.model import LiveModel, score
from serving.online_store import Reading
from serving.openapi import PREDICT_RESPONSES, PredictOperation
from serving.problems import ProblemError
from serving.service import Service, service_of


@post(
    "/predict",
    status_code=HTTPStatus.OK,
    summary="Judge one transaction",
    operation_class=PredictOperation,
    responses=PREDICT_RESPONSES,
)
async def predict(request: Request[Any, Any, Any]) -> Prediction:
    """Scores one transaction with the model that was deployed last."""
    started = time.perf_counter()
    service = service_of(request.app)
    _check_content_type(request)
    body = await request.body()
    most = _reasons_wished(request)
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
    # Taken once: a swap while the features are read must not mix two models in one answer.
    model = _live_model(service)
    reading = await service.store.read(transaction.user_id, transaction.merchant_id)
    vector = compute_vector(event, reading.context)
    prediction = _decide(transaction, vector, model, reading, most)
    service.comparison.offer(prediction, vector)
    service.metrics.predicted(prediction, reading.fault, time.perf_counter() - started)
    return prediction


def _decide(
    transaction: PredictionRequest,
    vector: list[float],
    model: LiveModel,
    reading: Reading,
    most: int | None,
) -> Prediction:
    probability = score(model, vector)
    threshold = model.manifest.threshold
    return Prediction(
        transaction_id=transaction.transaction_id,
        fraud_probability=probability,
        is_fraud=probability > threshold,
        confidence=abs(probability - 0.5) * 2,
        threshold=threshold,
        model_version=model.manifest.model_version,
        degraded=reading.fault is not None,
        degraded_reason=reading.reason,
        reasons=msgspec.UNSET if most is None else reasons(model.booster, vector, most),
    )


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


def _check_content_type(request: Request[Any, Any, Any]) -> None:
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "The body is not announced as JSON",
            "Send the transaction with the header Content-Type: application/json",
            expectation="application/json",
        )


def _live_model(service: Service) -> LiveModel:
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
