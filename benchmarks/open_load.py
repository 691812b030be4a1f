"""Load on an HTTP service: requests at a constant rate, or as many as so many connections bring.

At a constant rate a request has the moment it should be sent at, and its latency counts from there,
whether or not a connection was free then or this process had the processor: a service that stalls
is charged for all who would have come meanwhile (no coordinated omission). One that is not answered
when the run ends counts as slower than all others, and as an error.
"""

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

ID = b"@ID@"
"""In a body: where the request's own id goes."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. `bodies` is a file with one on each line, sent again from the first."""

    host: str = "127.0.0.1"
    port: int
    path: str = "/predict"
    headers: dict[str, str] = {}
    bodies: str
    seconds: float
    rate: float | None = None
    """Requests a second; without it each connection sends when it has its answer."""
    connections: int = 32
    ids: str = "load"
    """What the ids begin with."""
    each: bool = False
    """Whether every single answer is wanted."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One request: seconds from the start that it was due, seconds it took, what came."""

    due_s: float
    took_s: float | None
    """None where nothing came."""
    status: int
    """0 where nothing came."""
    degraded: bool = False
    model_version: str = ""
    fault: str = ""
    """Why nothing came: `closed`, `refused` or `unanswered`."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order. Milliseconds are None where the request was never answered."""

    asked: int
    answered: int
    """With status 200."""
    errors: dict[str, int]
    """By status, `closed`, `refused` or `unanswered`."""
    resent: int
    """Sent once more because a kept connection was closed before a byte of the answer came."""
    degraded: int
    versions: dict[str, int]
    a_second: float
    """Answers that were not degraded: one without the features is less work."""
    p50: float | None
    p99: float | None
    p999: float | None
    slowest: float | None
    late_ms: float
    """The 99th percentile of how late this process itself sent, for want of a processor."""
    cpu_us: float
    """Processor time of this process for each request."""
    each: list[Answer] = []


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that at least this share of the ascending values stays under or at."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def due_times(rate: float, seconds: float) -> Iterator[float]:
    """Seconds from the start that requests are due, one every 1/rate."""
    return (number / rate for number in range(round(rate * seconds)))


def summary(order: Order, answers: list[Answer], **known: float) -> Load:
    """The figures of a run, from its answers."""
    took = sorted(math.inf if one.took_s is None else one.took_s for one in answers)
    good = [one for one in answers if one.status == 200]
    errors = Counter(one.fault or str(one.status) for one in answers if one.status != 200)

    degraded = sum(one.degraded for one in good)

    def ms(share: float) -> float | None:
        found = percentile(took, share) * 1000 if took else math.inf
        return round(found, 2) if math.isfinite(found) else None

    return Load(
        asked=len(answers),
        answered=len(good),
        errors=dict(errors),
        resent=int(known["resent"]),
        degraded=degraded,
        versions=dict(Counter(one.model_version for one in good)),
        a_second=round((len(good) - degraded) / order.seconds, 1),
        p50=ms(0.5),
        p99=ms(0.99),
        p999=ms(0.999),
        slowest=ms(1.0),
        late_ms=round(known["late_ms"], 2),
        cpu_us=round(known["cpu_us"], 1),
        each=answers if order.each else [],
    )


class Running:
    """A load under way in a process of its own, so that nothing here holds it up."""

    def __init__(self, order: Order) -> None:
        self.order = order
        command = [sys.executable, "-m", "benchmarks.open_load_generator"]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order))
        self._process.stdin.close()

    def result(self) -> Load:
        """Waits for the end; raises RuntimeError where the load could not be made."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        if self._process.wait() != 0:
            raise RuntimeError(f"the load on port {self.order.port} ended with an error")
        return msgspec.json.decode(said, type=Load)
