"""Errors as problem details (RFC 9457): never a stack, never a 5xx for what the caller sent."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Send

MEDIA_TYPE = "application/problem+json"

BODY_LIMIT = 64 * 1024
"""Bytes of a request's body; a transaction takes about 200."""

BATCH_BODY_LIMIT = 512 * 1024
"""The same of a batch."""

LONGEST_VALUE = 200
"""Characters of a wrong value that an answer repeats."""

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


def _problem(kind: str, title: str, status: HTTPStatus, detail: str, **known: Any) -> Problem:
    """A problem that repeats a wrong text cut short, and without what UTF-8 has not."""
    if isinstance(value := known.get("value"), str):
        known["value"] = value[:LONGEST_VALUE].encode(errors="replace").decode()
    return Problem(type=kind, title=title, status=status, detail=detail, **known)


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
        self.problem = _problem(f"urn:predictflow:problem:{kind}", title, status, detail, **known)


async def send_problem(send: Send, error: ProblemError) -> None:
    """Answers a problem from outside of Litestar's handlers."""
    body = msgspec.json.encode(error.problem)
    said = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **(error.headers or {})}
    headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
    await send({"type": "http.response.start", "status": error.problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


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


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answers what Litestar refused: an unknown path, another method, a body over the limit."""
    headers = error.headers or {}
    allowed = headers.get("allow", "")
    match HTTPStatus(error.status_code):
        case HTTPStatus.NOT_FOUND:
            return _answer(not_found(request.scope["path"]))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return _answer(method_not_allowed(request.scope["method"], allowed), headers)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            limit = request.route_handler.resolve_request_max_body_size()
            return _answer(too_large(limit or BODY_LIMIT))
        case status:
            return _answer(_plain(status, error.detail or status.phrase), headers)


def not_found(path: str) -> Problem:
    """Nothing is at this path."""
    return _plain(
        HTTPStatus.NOT_FOUND,
        "Nothing is here; /schema/openapi.json lists what there is",
        field="path",
        value=path,
        expectation="a path that /schema/openapi.json lists",
    )


def method_not_allowed(method: str, allowed: str) -> Problem:
    """A path takes other methods than this one."""
    return _plain(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "This path takes another method; the header Allow names it",
        field="method",
        value=method,
        expectation=allowed,
    )


def too_large(limit: int = BODY_LIMIT) -> Problem:
    """A body is over the limit of its path, in bytes."""
    rule = f"at most {limit:,} bytes"
    return _plain(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is over {limit:,} bytes",
        field="body",
        expectation=rule,
    )


def _plain(status: HTTPStatus, detail: str, **known: Any) -> Problem:
    """A problem that its status says it all of."""
    return _problem("about:blank", status.phrase, status, detail, **known)


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answers a fault of the service itself; what happened stands in the log under `instance`."""
    instance = f"urn:predictflow:request:{request.state.request_id}"
    logger.error("request_failed", exc_info=error, extra={"fields": {"instance": instance}})
    return _answer(failed(instance))


def failed(instance: str) -> Problem:
    """The service itself is at fault."""
    detail = "The service failed; its log says how, under this instance."
    return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, detail, instance=instance)
