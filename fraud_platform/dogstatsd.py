"""What a Prometheus registry holds, for Datadog's agent: DogStatsD datagrams over UDP.

Names and tags are those that the agent's OpenMetrics check gives the same metrics, so monitors and
dashboards fit both. Our own lines rather than Datadog's package: that would count all a second time
beside the registry, has its address looked up by whoever counts, and loads an HTTP client and the
rest of the API with it, in each worker.
"""

import logging
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from fraud_platform.settings import Datadog

logger = logging.getLogger("predictflow.datadog")

DATAGRAM = 1432
"""Bytes of a datagram that no usual network takes apart: Ethernet's 1500 less the headers."""

TIMINGS = 50_000
"""Timings that are kept until they are sent; past that the oldest are dropped."""

_SENT = ("fraud_", "feature_")
_UNFIT = str.maketrans(dict.fromkeys("|,#@\n\r\t ", "_"))


class DogStatsD:
    """A registry's figures as lines of DogStatsD: gauges, and counters by their rise."""

    def __init__(self, settings: Datadog, **tags: str) -> None:
        self._prefix = settings.prefix
        self._tags = [*settings.own_tags, *(f"{name}:{value}" for name, value in tags.items())]
        self._told: dict[tuple[str, ...], float] = {}
        self._timings: deque[tuple[str, float]] = deque(maxlen=TIMINGS)

    def timing(self, name: str, seconds: float) -> None:
        """Keeps one timing of a distribution; any thread may."""
        self._timings.append((name, seconds))

    def lines(self, registry: CollectorRegistry) -> Iterator[str]:
        """What there is to send, once; counters by what they rose since the last time."""
        for family in registry.collect():
            if family.name.startswith(_SENT):
                for sample in family.samples:
                    yield from self._line(family.type, sample)
        yield from self._distributions()

    def _line(self, kind: str, sample: Sample) -> Iterator[str]:
        name, value = sample.name, sample.value
        if kind == "gauge":
            if name.endswith("_timestamp_seconds"):  # Datadog's queries know no time of their own
                name, value = name.replace("_timestamp_", "_age_"), time.time() - value
            # An info of 0 is a model that is in service no more.
            if math.isfinite(value) and (value or not name.endswith("_info")):
                yield self._said(name, f"{value:.12g}", "g", sample.labels)
            return
        stem, _, part = name.rpartition("_")
        if part not in ("total", "count", "sum"):
            return
        key = (name, *sample.labels.values())
        rise = value - self._told.get(key, 0.0)
        self._told[key] = value
        if rise > 0:
            shown = f"{stem}.{'sum' if part == 'sum' else 'count'}"
            yield self._said(shown, f"{rise:.12g}", "c", sample.labels)

    def _distributions(self) -> Iterator[str]:
        taken = [self._timings.popleft() for _ in range(len(self._timings))]
        for name in dict.fromkeys(name for name, _ in taken):
            values = [f"{seconds:.4g}" for one, seconds in taken if one == name]
            room = DATAGRAM - len(self._said(name, "", "d", {}))
            # Several values in a line: since version 7.25 of the agent, of 2021.
            each = max(1, room // (1 + max(map(len, values))))
            for start in range(0, len(values), each):
                yield self._said(name, ":".join(values[start : start + each]), "d", {})

    def _said(self, name: str, values: str, kind: str, labels: dict[str, str]) -> str:
        said = [f"{label}:{value.translate(_UNFIT)}" for label, value in labels.items() if value]
        tags = ",".join([*self._tags, *said])
        return f"{self._prefix}.{name}:{values}|{kind}" + (f"|#{tags}" if tags else "")


class Agent:
    """Datadog's agent. `send` may wait for the name to be looked up, so a thread of its own calls
    it; what the agent does with a datagram, or that there is none, nobody hears of."""

    def __init__(self, settings: Datadog) -> None:
        self._at = settings.host, settings.port
        self._fault = False

    def send(self, lines: Iterable[str]) -> None:
        """Sends lines, as many in a datagram as it takes; says in the log when that fails.

        None is taken of them where the name isn't found, so that counts wait.
        """
        try:
            family, *_, address = socket.getaddrinfo(*self._at, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as to:
                to.setblocking(False)
                for datagram in _datagrams(lines):
                    to.sendto(datagram, address)
        except (OSError, UnicodeError) as error:  # the latter: no name of a host
            if not self._fault:
                logger.warning("Datadog's agent at %s:%s is not sent figures: %s", *self._at, error)
            self._fault = True
        else:
            self._fault = False


def send_gauges(registry: CollectorRegistry, settings: Datadog, wait_s: float = 1.0) -> None:
    """Sends a registry's figures once, where a host is set; waits so long at most, and never fails.

    For who has just gathered them: gauges, as there is no former time to count from.
    """
    if settings.host:
        lines = list(DogStatsD(settings).lines(registry))
        sending = threading.Thread(target=Agent(settings).send, args=(lines,), daemon=True)
        sending.start()
        sending.join(wait_s)


def _datagrams(lines: Iterable[str]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for line in map(str.encode, lines):
        if held and size + len(line) + 1 > DATAGRAM:
            yield b"\n".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    if held:
        yield b"\n".join(held)
