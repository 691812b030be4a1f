"""Requests at a steady rate over kept-alive connections, as a careful client sends them.

Each connection is one HTTP/1.1 client: it connects anew where an answer said `Connection: close` or
where the other end has closed it before the request went out, and never sends a request twice.
"""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of a load's requests."""

    answered: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    lost: list[str] = field(default_factory=list)
    """Requests that were sent and not answered, each with how that showed."""
    refused: int = 0
    """Connections that were refused: nobody listens any more."""
    closes: int = 0
    """Answers that asked to connect anew."""
    seconds: list[float] = field(default_factory=list)
    """How long each answer took, from the time that its request was due."""


class Load:
    """`rate` requests a second over `connections` kept-alive connections to a port of this
    machine, until `stop` or until nobody listens any more."""

    def __init__(self, port: int, body: object, connections: int = 16, rate: float = 400.0) -> None:
        payload = json.dumps(body).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\n"
        self._request = f"{head}Content-Type: application/json\r\n\r\n".encode() + payload
        self._port = port
        self._every_s = connections / rate
        self._connections = connections
        self.outcome = Outcome()
        self._stopped = False

    def stop(self) -> None:
        """Has each connection send no more."""
        self._stopped = True

    def run(self) -> Outcome:
        """Sends until stopped from another thread; what became of it."""
        asyncio.run(self._run())
        return self.outcome

    async def _run(self) -> None:
        starts = [self._every_s * n / self._connections for n in range(self._connections)]
        await asyncio.gather(*(self._one(start) for start in starts))

    async def _one(self, start: float) -> None:
        await asyncio.sleep(start)
        due = time.monotonic()
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stopped:
            if streams is not None and streams[0].at_eof():  # it was closed while nothing was asked
                streams = self._close(streams)
            if streams is None:
                try:
                    streams = await asyncio.open_connection("127.0.0.1", self._port)
                except ConnectionRefusedError:
                    self.outcome.refused += 1
                    return
            if await self._ask(*streams, due):
                streams = self._close(streams)
            due += self._every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        self._close(streams)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, due: float
    ) -> bool:
        """Sends one request and reads its answer; whether the connection is to be closed."""
        try:
            writer.write(self._request)
            async with asyncio.timeout(30):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.outcome.lost.append(repr(error))
            return True
        self.outcome.answered[int(head.split()[1])] += 1
        self.outcome.seconds.append(time.monotonic() - due)
        closes = "connection: close" in head
        self.outcome.closes += closes
        return closes

    def _close(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
        if streams is not None:
            streams[1].close()
