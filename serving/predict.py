"""`POST /predict`: one transaction in, one decision out."""

import time
from http import HTTPStatus
from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from fraud_platform.features.online import compute_vector
from fraud_platform.modelling.reasons import reasons
from serving.decide import (
    answer_of,
    caller_of,
    case_of,
    earlier_answer,
    live_model,
    verdict_of,
)
from serving.guards import needs
from serving.json_answer import JsonAnswer
from serving.media_type import check_media_type
from serving.model import score
from serving.service import service_of


@post(
    "/predict",
    middleware=[needs("predict")],
    status_code=HTTPStatus.OK,
    summary="Judge one transaction",
)
async def predict(request: Request[Any, Any, Any]) -> ASGIApp:
    """Scores one transaction with the model that was deployed last."""
    started = time.perf_counter()
    service = service_of(request.app)
    check_media_type(request.headers)
    body = await request.body()
    caller = caller_of(request, started)
    case = case_of(service, caller, body)
    request.scope["state"]["user"] = case.transaction.user_id  # for a hash of it in the log
    answer = earlier_answer(service, case)
    if answer is None:
        model = live_model(service)
        with service.traces.span("read the online state"):
            asked = case.transaction.user_id, case.transaction.merchant_id
            reading = await service.store.read(*asked)
        with service.traces.span("score"):
            vector = compute_vector(case.event, reading.context)
            probability = score(model, vector)
        most = caller.reasons
        given = None if most is None else reasons(model.booster, vector, most)
        verdict = verdict_of(service, case, model, reading, vector, probability, given)
        answer = await answer_of(service, caller, case, verdict)
    return JsonAnswer(answer.body, replayed=answer.replayed)
