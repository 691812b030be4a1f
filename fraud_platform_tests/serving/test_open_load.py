"""The arithmetic of the benchmark's load generator, against a server that stalls on purpose."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.open_load import Load, Order, due_times, percentile
from benchmarks.open_load_generator import Generator

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n{"degraded":true,"model_version":"7","x":"yy"}'
)


class Stalling:
    """Answers each request at once, but nobody while `stall` is set; closes when told to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.free = threading.Event()
        self.free.set()
        self.seen: list[bytes] = []
        self.close_after: int | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            answered = 0
            while raw := connection.recv(65_536):
                if answered == self.close_after:
                    return
                self.seen.append(raw)
                self.free.wait()
                connection.sendall(ANSWER)
                answered += 1


@pytest.fixture
def server() -> Iterator[Stalling]:
    server = Stalling()
    yield server
    server.free.set()
    server.listener.close()


@pytest.fixture
def load(server: Stalling, tmp_path: Path) -> Callable[..., Load]:
    bodies = tmp_path / "bodies"
    bodies.write_bytes(b'{"id":"@ID@","n":1}\n{"id":"@ID@","n":2}')

    def load(seconds: float, rate: float, connections: int) -> Load:
        order = Order(
            port=server.port,
            bodies=str(bodies),
            seconds=seconds,
            rate=rate,
            connections=connections,
            ids="t",
            each=True,
        )
        return Generator(order).run()

    return load


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.001, 1))
def test_at_least_the_share_stays_at_or_under_the_percentile(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6
    assert sum(value < found for value in ordered) <= share * len(ordered) + 1e-6


def test_percentiles_of_a_thousand() -> None:
    ordered = [float(value) for value in range(1, 1001)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)] == [
        500,
        990,
        999,
        1000,
    ]


def test_requests_are_due_at_a_constant_rate() -> None:
    assert list(due_times(4, 1.0)) == [0, 0.25, 0.5, 0.75]


def test_each_request_has_an_id_of_its_own(server: Stalling, load: Callable[..., Load]) -> None:
    found = load(seconds=0.2, rate=100, connections=2)
    assert (found.asked, found.answered, found.errors) == (20, 20, {})
    assert found.versions == {"7": 20}
    assert found.degraded == 20
    ids = {raw.partition(b'"id":"')[2].partition(b'"')[0] for raw in server.seen}
    assert ids == {f"t-{number}".encode() for number in range(20)}


def test_a_stall_is_charged_to_all_who_would_have_come_meanwhile(
    server: Stalling, load: Callable[..., Load]
) -> None:
    def stall() -> None:
        time.sleep(0.2)
        server.free.clear()
        time.sleep(0.5)
        server.free.set()

    thread = threading.Thread(target=stall)
    thread.start()
    found = load(seconds=1.0, rate=100, connections=1)
    thread.join()
    assert found.answered == 100
    slow = [one for one in found.each if one.took_s is not None and one.took_s > 0.1]
    # Forty were due more than 0.1 s before the stall ended, though one alone was on its way.
    assert 35 <= len(slow) <= 80
    assert found.slowest is not None
    assert found.slowest > 400


def test_one_that_is_never_answered_is_an_error_and_slower_than_all(
    server: Stalling, load: Callable[..., Load], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.open_load_generator.DRAIN_S", 0.2)
    server.free.clear()
    found = load(seconds=0.1, rate=50, connections=2)
    assert (found.answered, found.errors) == (0, {"unanswered": 5})
    assert (found.p50, found.slowest) == (None, None)


def test_what_a_kept_connection_was_closed_upon_is_sent_again(
    server: Stalling, load: Callable[..., Load]
) -> None:
    server.close_after = 3
    found = load(seconds=0.2, rate=50, connections=1)
    assert (found.answered, found.errors) == (10, {})
    assert found.resent == 3


def test_closed_before_any_answer_is_an_error(server: Stalling, load: Callable[..., Load]) -> None:
    server.close_after = 0
    found = load(seconds=0.1, rate=50, connections=1)
    assert found.errors == {"closed": 5}
