"""The process that makes a load: one loop over connections that are kept.

    python -m benchmarks.open_load_generator < order.json

The loop is one of its own because asyncio's timers are whole milliseconds.
"""

import gc
import re
import select
import socket
import sys
import time
from collections import deque
from itertools import count
from pathlib import Path

import msgspec

from benchmarks.open_load import ID, Answer, Load, Order, due_times, percentile, summary

DRAIN_S = 10.0
"""Seconds after the last request that answers are waited for."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_VERSION = re.compile(rb'"model_version":"([^"]*)"')


class _Connection:
    """One kept connection, with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.received = b""
        self.used = False
        self.number = -1
        """Of the request under way; -1 for none."""

    def whole(self) -> bool:
        """Whether all of the answer has come."""
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        found = _LENGTH.search(self.received, 0, head + 2)
        if found is None:
            raise ValueError(f"no Content-Length in {self.received[:head]!r}")
        return len(self.received) >= head + 4 + int(found[1])


class Generator:
    """Carries out one order; `run` gives its figures."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._bodies = Path(order.bodies).read_bytes().splitlines()
        headers = {"Host": f"{order.host}:{order.port}", "Content-Type": "application/json"}
        lines = [f"{name}: {value}" for name, value in (headers | order.headers).items()]
        head = "\r\n".join([f"POST {order.path} HTTP/1.1", *lines, "Content-Length: "])
        self._head = head.encode()
        self._ready = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._due: list[float] = []
        self._late: list[float] = []
        self._answers: dict[int, Answer] = {}
        self._resent = 0
        self._start = 0.0

    def run(self) -> Load:
        for _ in range(self._order.connections):
            self._connect()
        used = time.process_time()
        self._start = time.perf_counter()
        if self._order.rate is None:
            self._saturate()
        else:
            self._at_rate(self._order.rate)
        used = time.process_time() - used
        for connection in self._connections.values():
            connection.socket.close()
        asked = range(len(self._due))
        if self._order.rate is not None:  # else what was under way at the end is nobody's fault
            for number in asked:
                if number not in self._answers:
                    self._nothing_came(number, "unanswered")
        answers = [self._answers[number] for number in asked if number in self._answers]
        late = sorted(self._late) or [0.0]
        known = {"late_ms": percentile(late, 0.99) * 1000, "resent": self._resent}
        return summary(self._order, answers, **known, cpu_us=used / max(1, len(answers)) * 1e6)

    def _at_rate(self, rate: float) -> None:
        coming = due_times(rate, self._order.seconds)
        next_due = next(coming, None)
        end = self._order.seconds + DRAIN_S
        while (now := self._now()) < end:
            while next_due is not None and next_due <= now:
                self._waiting.append(len(self._due))
                self._due.append(next_due)
                self._late.append(now - next_due)
                next_due = next(coming, None)
            self._send_waiting()
            if next_due is None and len(self._answers) == len(self._due):
                return
            self._receive((end if next_due is None else next_due) - self._now())

    def _saturate(self) -> None:
        numbers = count()
        while (now := self._now()) < self._order.seconds:
            for _ in range(len(self._idle) - len(self._waiting)):
                self._waiting.append(next(numbers))
                self._due.append(now)
            self._send_waiting()
            self._receive(self._order.seconds - now)

    def _now(self) -> float:
        return time.perf_counter() - self._start

    def _send_waiting(self) -> None:
        while self._waiting:
            if not self._idle:
                if len(self._connections) >= self._order.connections or not self._connect():
                    return
                continue
            connection = self._idle.popleft()
            self._send(connection, self._waiting.popleft())

    def _connect(self) -> bool:
        """Opens a connection; where it is refused, the first who waits for it has an error."""
        try:
            connection = _Connection((self._order.host, self._order.port))
        except OSError:
            if not self._due:
                raise
            if self._waiting:
                self._nothing_came(self._waiting.popleft(), "refused")
            return False
        self._connections[connection.socket.fileno()] = connection
        self._ready.register(connection.socket, select.EPOLLIN)
        self._idle.append(connection)
        return True

    def _send(self, connection: _Connection, number: int) -> None:
        own = f"{self._order.ids}-{number}".encode()
        body = self._bodies[number % len(self._bodies)].replace(ID, own)
        connection.number, connection.received = number, b""
        try:
            connection.socket.sendall(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        except OSError:
            self._closed(connection)

    def _receive(self, seconds: float) -> None:
        # epoll's own timeout is in whole milliseconds, that of select is not.
        select.select([self._ready], [], [], max(0.0, seconds))
        for handle, _ in self._ready.poll(0):
            connection = self._connections[handle]
            try:
                some = connection.socket.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                some = b""
            if not some:
                self._closed(connection)
                continue
            connection.received += some
            if connection.number >= 0 and connection.whole():
                self._answered(connection)

    def _answered(self, connection: _Connection) -> None:
        number, raw, now = connection.number, connection.received, self._now()
        version = _VERSION.search(raw)
        self._answers[number] = Answer(
            self._due[number],
            now - self._due[number],
            int(raw[9:12]),
            b'"degraded":true' in raw,
            version[1].decode() if version else "",
        )
        connection.number, connection.used = -1, True
        if b"\r\nconnection: close" in raw[: raw.find(b"\r\n\r\n")].lower():
            self._forget(connection)
        else:
            self._idle.append(connection)

    def _closed(self, connection: _Connection) -> None:
        """As HTTP clients do, sends again what a kept connection was closed upon."""
        number = connection.number
        self._forget(connection)
        if number < 0:
            self._idle = deque(one for one in self._idle if one is not connection)
        elif connection.used and not connection.received:
            self._resent += 1
            self._waiting.appendleft(number)
        else:
            self._nothing_came(number, "closed")

    def _forget(self, connection: _Connection) -> None:
        self._ready.unregister(connection.socket)
        del self._connections[connection.socket.fileno()]
        connection.socket.close()

    def _nothing_came(self, number: int, why: str) -> None:
        self._answers[number] = Answer(self._due[number], None, 0, fault=why)


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    gc.disable()  # nothing here goes in circles, and a collection would hold requests up
    sys.stdout.buffer.write(msgspec.json.encode(Generator(order).run()))


if __name__ == "__main__":
    main()
