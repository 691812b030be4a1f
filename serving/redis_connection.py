"""A connection to Redis on which commands follow each other without waiting for the answers.

redis-py's asyncio pipeline takes more of the interpreter for a round trip than the features do, and
closes a connection whose answer is late. Here the answers' order says whose they are, so
one connection serves all requests at once, and a late answer is passed over when it comes. What is
understood of the protocol (RESP) is hiredis'.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

CONNECT_S = 1.0
"""Seconds that a connection may take to be made and to log in, where the URL has no other."""

HUNG_S = 1.0
"""Seconds without an answer after which a connection is given up and made anew."""


class RefusedCommandError(Exception):
    """Redis refused: the first word of its answer, because the others may repeat a key."""

    def __init__(self, answer: Exception) -> None:
        super().__init__(str(answer).partition(" ")[0])


@dataclass(slots=True, eq=False)
class _Question:
    answers: asyncio.Future[list[Any]]
    count: int
    asked_at: float
    found: list[Any] = field(default_factory=list)


class RedisLink:
    """A connection to the server at a URL, made when it is first needed and after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def ask(self, commands: bytes, count: int) -> list[Any]:
        """The `count` answers to packed commands.

        Raises OSError where there is no connection, and RefusedCommandError. Whoever stops waiting
        may do so at any time. A connection that a restarted server has closed is made once more.
        """
        connection = self._connection or await self._connected()
        try:
            answers = await _asked(connection, commands, count)
        except ConnectionError:
            answers = await _asked(await self._connected(), commands, count)
        for one in answers:
            if isinstance(one, Exception):
                raise RefusedCommandError(one)
        return answers

    def close(self) -> None:
        """Closes the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _connected(self) -> "_Connection":
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name="redis-connect")
            self._connecting.add_done_callback(self._connect_ended)
        # Shared by all who wait, and not ended by the first whose deadline comes.
        return await asyncio.shield(self._connecting)

    def _connect_ended(self, task: "asyncio.Task[_Connection]") -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # seen, also where all who waited have left

    async def _connect(self) -> "_Connection":
        parts = urlsplit(self._url)
        options = {name: found[-1] for name, found in parse_qs(parts.query).items()}
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(float(options.get("socket_connect_timeout", CONNECT_S))):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._lost),
                    parts.hostname or "",
                    parts.port or 6379,
                    ssl=_tls(options) if parts.scheme == "rediss" else None,
                )
                try:
                    await _log_in(connection, parts.username, parts.password, parts.path.strip("/"))
                except BaseException:
                    connection.close()
                    raise
        except TimeoutError as error:
            raise ConnectionRefusedError("no connection in time") from error
        self._connection = connection
        return connection

    def _lost(self, connection: "_Connection") -> None:
        if self._connection is connection:
            self._connection = None


class _Connection(asyncio.Protocol):
    def __init__(self, lost: Any) -> None:
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader()
        self._questions: deque[_Question] = deque()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def ask(self, commands: bytes, count: int) -> asyncio.Future[list[Any]]:
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        question = _Question(self._loop.create_future(), count, self._loop.time())
        self._questions.append(question)
        self._transport.write(commands)
        return question.answers

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        try:
            while self._questions:
                question = self._questions[0]
                while len(question.found) < question.count:
                    answer = self._parser.gets()
                    if answer is False:  # the rest is on its way; RESP2 has no other False
                        return
                    question.found.append(answer)
                self._questions.popleft()
                if not question.answers.done():
                    question.answers.set_result(question.found)
        except hiredis.ProtocolError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        while self._questions:
            answers = self._questions.popleft().answers
            if not answers.done():
                answers.set_exception(ConnectionResetError(str(exc or "closed by the server")))

    def give_up_if_hung(self) -> None:
        """Ends a connection whose oldest question has waited long: its server may be gone."""
        if self._questions and self._questions[0].asked_at < self._loop.time() - HUNG_S:
            self._transport.abort()

    def close(self) -> None:
        self._transport.close()


def command(*parts: bytes) -> bytes:
    """A command as it goes over the wire."""
    return b"*%d\r\n" % len(parts) + arguments(*parts)


def arguments(*parts: bytes) -> bytes:
    """A part of a command, which may be packed before the others are known."""
    return b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


async def _asked(connection: _Connection, commands: bytes, count: int) -> list[Any]:
    try:
        return await connection.ask(commands, count)
    except asyncio.CancelledError:
        connection.give_up_if_hung()
        raise


async def _log_in(
    connection: _Connection, user: str | None, password: str | None, database: str
) -> None:
    commands = []
    if password:
        login = [unquote(part).encode() for part in (user, password) if part]
        commands.append(command(b"AUTH", *login))
    if database not in ("", "0"):
        commands.append(command(b"SELECT", database.encode()))
    commands.append(command(b"PING"))  # refused where a login is needed and the URL has none
    for answer in await connection.ask(b"".join(commands), len(commands)):
        if isinstance(answer, Exception):
            raise RefusedCommandError(answer)


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    """The TLS of a rediss URL, by redis-py's options, which the batch side takes too."""
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    off = ("false", "no", "0")
    context.check_hostname = options.get("ssl_check_hostname", "true").lower() not in off
    match options.get("ssl_cert_reqs", "required"):
        case "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        case "optional":
            context.verify_mode = ssl.CERT_OPTIONAL
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
