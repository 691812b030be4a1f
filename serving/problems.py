"""Errors as problem details (RFC 9457): never a stack, never a 5xx for what the caller sent."""

import logging
import uuid
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

BODY_LIMIT = 64 * 1024
"""Bytes of a request's body; a transaction takes about 200."""

_DETAILS = {
    HTTPStatus.NOT_FOUND: "Nothing is here; /schema/openapi.json lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path takes another method; the header Allow names it",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"The body is over {BODY_LIMIT:,} bytes",
}

logger = logging.getLogger("predictflow.serving")


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem details, with the field at fault, its value and what was expected where known."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | msgspec.UnsetType = msgspec.UNSET
    field: str | msgspec.UnsetType = msgspec.UNSET
    value: Any = msgspec.UNSET
    expectation: str | msgspec.UnsetType = msgspec.UNSET


class ProblemError(Exception):
    """Ends a request with a problem; `kind` is the last part of its type, as in `no-model`."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        **known: Any,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.problem = Problem(
            type=f"urn:predictflow:problem:{kind}",
            title=title,
            status=status,
            detail=detail,
            **known,
        )


def _answer(problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def on_problem(_request: Request[Any, Any, Any], error: ProblemError) -> Response[bytes]:
    """Answers a problem that a handler raised."""
    return _answer(error.problem, error.headers)


def on_http_exception(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answers what Litestar refused: an unknown path, another method, a body over the limit."""
    status = HTTPStatus(error.status_code)
    detail = _DETAILS.get(status, error.detail or status.phrase)
    problem = Problem(type="about:blank", title=status.phrase, status=status, detail=detail)
    return _answer(problem, error.headers)


def on_fault(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answers a fault of the service itself; what happened stands in the log under `instance`."""
    instance = f"urn:uuid:{uuid.uuid4()}"
    logger.error("request_failed", exc_info=error, extra={"fields": {"instance": instance}})
    problem = Problem(
        type="about:blank",
        title=HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        detail="The service failed; its log says how, under this instance.",
        instance=instance,
    )
    return _answer(problem)
