"""Uvicorn, made to share its sockets fairly and to end without dropping a request."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.broken_http import broken_http
from serving.sockets import hold_off

IDLE_S = 75
"""Seconds that a connection is kept without a request: longer than load balancers keep theirs, so
that none of them sends one into the closing."""

GRACE_S = 10
"""Seconds that requests under way have to end once nothing else is waited for."""

HEAD_LIMIT = 32 * 1024
"""Bytes of a request's line and headers."""

_TICK_S = 0.05
_HANDSHAKE_S = 0.1
"""How long connections that are just being made have to arrive."""
_LAST_S = 1.0
"""How long the last accepted ones have to ask."""

logger = logging.getLogger("predictflow.serving")


class _State(ServerState):
    draining = False


class _Protocol(HttpToolsProtocol):
    """A connection that says `Connection: close` with each answer while the worker ends."""

    server_state: _State  # pyright: ignore[reportIncompatibleVariableOverride]
    _in_head = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Uvicorn sets this after an answer alone: who never asks would stay for ever.
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_LIMIT and not self.transport.is_closing():
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The request's line and headers are over {HEAD_LIMIT:,} bytes",
                )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it never says more
        self._refuse(HTTPStatus.BAD_REQUEST, "What came is not HTTP/1.1 as RFC 9112 has it")

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self.transport.write(broken_http(status, detail))
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False
        if self.server_state.draining:
            self.close_after_answer()

    def close_after_answer(self) -> None:
        """Has the request under way answered with `Connection: close`, if it still can be."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    @property
    def answered(self) -> bool:
        """Whether it has asked, and has its answer."""
        return self.cycle is not None and self.cycle.response_complete


class Server(uvicorn.Server):
    """Answers on the listeners until told to end: `should_exit`, or SIGTERM or SIGINT.

    From then on each answer asks the client to connect anew, for up to `drain_s` seconds or until
    no connection is left. A worker beside others stops accepting at once and they take over what
    waits; with `last` set there is nobody else, so it accepts to the end.
    """

    def __init__(
        self, app: Any, listeners: Sequence[socket.socket], drain_s: float, *, last: bool
    ) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            loop="uvloop",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anyone can send them
            lifespan="on",
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        super().__init__(config)
        self.server_state = _State()
        self.last = last
        self.on_ready: Callable[[], None] = lambda: None
        self.on_drain: Callable[[], None] = lambda: None
        self._listeners = listeners
        self._drain_s = drain_s
        self._accepting: set[socket.socket] = set()
        self._arriving: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: Any = None) -> None:  # noqa: ARG002 - it has its own
        """Starts the app, then accepts; nothing is accepted by who cannot answer."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []  # Uvicorn's own, which would accept all that waits before others look
        self._accept()
        self.started = True
        self.on_ready()

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ARG002 - it has its own
        """Drains, then ends as Uvicorn does."""
        await self._drain()
        for listener in self._listeners:
            listener.close()
        await super().shutdown()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self.server_state.draining = True
        if not self.last:
            self._stop_accepting()
            self.on_drain()
        for connection in self._connections():
            connection.close_after_answer()
        end = loop.time() + self._drain_s
        await asyncio.sleep(_TICK_S)
        while loop.time() < end and (self.server_state.connections or self._arriving):
            if self.last:  # it may have become so meanwhile
                self._accept()
            await asyncio.sleep(_TICK_S)
        if self.last:
            await self._answer_the_backlog()
        self._stop_accepting()

    async def _answer_the_backlog(self) -> None:
        loop = asyncio.get_running_loop()
        self._accept()
        for listener in self._listeners:
            hold_off(listener)
        end = loop.time() + _LAST_S
        await asyncio.sleep(_HANDSHAKE_S)
        while loop.time() < end and not all(one.answered for one in self._connections()):
            await asyncio.sleep(_TICK_S)

    def _connections(self) -> list[_Protocol]:
        return [one for one in self.server_state.connections if isinstance(one, _Protocol)]

    def _accept(self) -> None:
        for listener in {*self._listeners} - self._accepting:
            listener.setblocking(False)
            asyncio.get_running_loop().add_reader(listener, self._accept_one, listener)
            self._accepting.add(listener)

    def _stop_accepting(self) -> None:
        for listener in self._accepting:
            asyncio.get_running_loop().remove_reader(listener)
        self._accepting.clear()

    def _accept_one(self, listener: socket.socket) -> None:
        """Takes one connection and looks at the others' requests first: a worker that took all that
        wait would have them all for as long as they are kept."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was first
        except OSError as error:  # such as too many open files: it can wait where it is
            logger.warning("accept_failed", extra={"fields": {"reason": error.strerror}})
            self._stop_accepting()
            loop.call_later(1.0, self._accept_again)
            return
        connection.setblocking(False)
        app_state = self.lifespan.state
        protocol = partial(_Protocol, self.config, self.server_state, app_state, loop)
        task = loop.create_task(loop.connect_accepted_socket(protocol, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    def _accept_again(self) -> None:
        if self.last or not self.server_state.draining:
            self._accept()
