"""What every request gets: an id, a line in the log where it is worth one, and a span if wished.

The line holds no value of a query or a body, and of a user a hash alone.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from serving.logs import REQUEST_ID

_DECISIONS = "/predict"
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger("predictflow.access")


class Span(Protocol):
    """A request's span; told its end."""

    def answered(self, scope: HTTPScope, status: int | None) -> None: ...


class RequestLog:
    """ASGI: sets `request_id` of the request's state, and of all that is logged meanwhile.

    The id is the one given in X-Request-Id, if it is one to 64 letters, digits, dots, underscores
    and hyphens, else a new one, and is returned in the same header. With `everything` each request
    is logged, else those answered with 400 and over, or with nothing. `hashed` makes a hash of the
    state's `user`. `span` opens a request's span. `failed` is told the status of each decision that
    was not given for a fault of ours, which is 500 and over.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        everything: bool,
        hashed: Callable[[str], str] | None = None,
        span: Callable[[HTTPScope], AbstractContextManager[Span]] | None = None,
        failed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._app = app
        self._everything = everything
        self._hashed = hashed
        self._span = span
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":  # a WebSocket, which nothing here takes
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _given(scope) or os.urandom(16).hex().encode()
        name = scope.setdefault("state", {})["request_id"] = request_id.decode()
        REQUEST_ID.set(name)  # in the request's own task, so it ends with it
        status: int | None = None
        size = 0

        async def answer(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            elif message["type"] == "http.response.body":
                size += len(message["body"])
            await send(message)

        with nullcontext() if self._span is None else self._span(scope) as span:
            try:
                await self._app(scope, receive, answer)
            finally:
                if span is not None:
                    span.answered(scope, status)
                if status is not None and status >= 500 and scope["path"].startswith(_DECISIONS):
                    self._failed(status)
                if self._everything or status is None or status >= 400:
                    self._log(scope, status, size, time.perf_counter() - started)

    def _log(self, scope: HTTPScope, status: int | None, size: int, seconds: float) -> None:
        state: dict[str, Any] = scope["state"]
        fields: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "latency_ms": round(seconds * 1000, 3),
            "bytes": size,
        }
        if (key := state.get("key")) is not None:
            fields["key_id"] = key.id
        if self._hashed is not None and (user := state.get("user")) is not None:
            fields["user"] = self._hashed(user)
        logger.info("request", extra={"fields": fields})


def _given(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value if _GIVEN.fullmatch(value) else None
    return None
