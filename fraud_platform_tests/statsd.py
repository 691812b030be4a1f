"""Datadog's agent in tests: a real UDP socket that takes DogStatsD's lines apart."""

import socket
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from fraud_platform.settings import Datadog


class Received(NamedTuple):
    """A line: `name:value[:value…]|kind[|#tag,…]`."""

    name: str
    values: tuple[float, ...]
    kind: str
    tags: tuple[str, ...]


class StatsdAgent:
    """Takes what is sent to its port of the loopback."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def settings(self, host: str = "127.0.0.1", **others: Any) -> Datadog:
        return Datadog(host=host, port=self.port, **others)

    def received(self, lines: int) -> list[Received]:
        """The lines that come, at least so many."""
        return self.until(lambda got: len(got) >= lines)

    def until(self, holds: Callable[[list[Received]], bool], seconds: float = 30) -> list[Received]:
        """The lines that come until something holds of them; TimeoutError where nothing comes."""
        self._socket.settimeout(seconds)
        got: list[Received] = []
        while not holds(got):
            datagram = self._socket.recv(65536)
            self.sizes.append(len(datagram))
            got += map(_parsed, datagram.decode().split("\n"))
        return got


def _parsed(line: str) -> Received:
    body, kind, *rest = line.split("|")
    name, *values = body.split(":")
    tags = rest[0].removeprefix("#").split(",") if rest else []
    return Received(name, tuple(map(float, values)), kind, tuple(tags))
