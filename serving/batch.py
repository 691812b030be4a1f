"""`POST /predict/batch`: up to a thousand transactions in, as many decisions out in their order."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from itertools import batched
from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import Request, post
from litestar.types import ASGIApp

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import compute_vector
from fraud_platform.modelling.reasons import contributions, reasons_from
from serving.breathing import Breathing
from serving.decide import (
    Caller,
    answer_of,
    caller_of,
    case_of,
    earlier_answer,
    live_model,
    verdict_of,
)
from serving.decided import Case, Verdict
from serving.guards import needs
from serving.json_answer import JsonAnswer
from serving.media_type import check_media_type
from serving.model import LiveModel, scores
from serving.online_store import Reading
from serving.problems import BATCH_BODY_LIMIT, ProblemError
from serving.service import Service, service_of

MOST = 1_000
"""Transactions in one batch."""

_RULE = f"a JSON array of 1 to {MOST:,} transactions"
_AT_ONCE = 50
"""Decisions given out together, so that those that must be logged first share a write."""

_items = msgspec.json.Decoder(
    Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST)]
)


@post(
    "/predict/batch",
    middleware=[needs("predict")],
    status_code=HTTPStatus.OK,
    request_max_body_size=BATCH_BODY_LIMIT,
    summary="Judge up to a thousand transactions",
)
async def predict_batch(request: Request[Any, Any, Any]) -> ASGIApp:
    """Scores transactions with one model: an array with a prediction or a problem for each."""
    started = time.perf_counter()
    service = service_of(request.app)
    check_media_type(request.headers)
    caller = caller_of(request, started, alone=False)
    items = _items_of(await request.body())
    service.limits.charge_batch(request, len(items))
    answers: dict[int, bytes] = {}
    cases: dict[int, Case] = {}
    breathe, replayed = Breathing(), 0
    for place, item in enumerate(items):
        try:
            case = case_of(service, caller, item)
        except ProblemError as error:
            answers[place] = msgspec.json.encode(error.problem)
        else:
            if (earlier := earlier_answer(service, case)) is not None:
                answers[place] = earlier.body
                replayed += 1
            else:
                cases[place] = case
        await breathe()
    if cases:
        verdicts = await _verdicts(service, caller, list(cases.values()))
        answers |= await _given_out(service, caller, cases, verdicts)
    service.metrics.batch(len(items), time.perf_counter() - started)
    body = b"[" + b",".join(answers[place] for place in range(len(items))) + b"]"
    return JsonAnswer(body, replayed=replayed == len(items))


def _items_of(body: bytes) -> list[msgspec.Raw]:
    try:
        return _items.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "invalid-batch",
            "The body is no batch",
            f"The body is not {_RULE}: {str(error).replace('`', '')}",
            field="body",
            expectation=_RULE,
        ) from error


async def _verdicts(service: Service, caller: Caller, cases: Sequence[Case]) -> list[Verdict]:
    """The verdicts of the champion of the moment: one reading and one scoring for all of them."""
    model = live_model(service)
    asked = [(case.transaction.user_id, case.transaction.merchant_id) for case in cases]
    readings = await service.store.read_many(asked)
    breathe = Breathing()
    matrix = np.empty((len(cases), len(FEATURE_NAMES)))
    vectors: list[list[float]] = []
    for row, (case, reading) in enumerate(zip(cases, readings, strict=True)):
        vectors.append(compute_vector(case.event, reading.context))
        matrix[row] = vectors[-1]
        await breathe()
    # In a thread: XGBoost gives the interpreter's lock away, and other requests go on meanwhile.
    probabilities = await asyncio.to_thread(scores, model, matrix)
    moved = None
    if caller.reasons is not None:
        moved = await asyncio.to_thread(contributions, model.booster, matrix)
    verdicts = []
    for row, one in enumerate(zip(cases, readings, vectors, probabilities, strict=True)):
        verdicts.append(
            _verdict(service, model, caller, *one, None if moved is None else moved[row])
        )
        await breathe()
    return verdicts


def _verdict(
    service: Service,
    model: LiveModel,
    caller: Caller,
    case: Case,
    reading: Reading,
    vector: list[float],
    probability: float,
    moved: np.ndarray | None,
) -> Verdict:
    most = caller.reasons
    given = None if moved is None or most is None else reasons_from(moved, vector, most)
    return verdict_of(service, case, model, reading, vector, probability, given)


async def _given_out(
    service: Service, caller: Caller, cases: dict[int, Case], verdicts: Sequence[Verdict]
) -> dict[int, bytes]:
    """The answers by place; what could not be logged and had to be is a problem of its own."""
    answers: dict[int, bytes] = {}
    breathe = Breathing()
    for some in batched(zip(cases.items(), verdicts, strict=True), _AT_ONCE):
        given = await asyncio.gather(
            *(answer_of(service, caller, case, verdict) for (_, case), verdict in some),
            return_exceptions=True,
        )
        for ((place, _), _), one in zip(some, given, strict=True):
            if isinstance(one, ProblemError):
                answers[place] = msgspec.json.encode(one.problem)
            elif isinstance(one, BaseException):
                raise one
            else:
                answers[place] = one.body
        await breathe()
    return answers
