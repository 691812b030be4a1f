"""FAULTS row 25: SIGTERM under load drops no request.

The load is some hundred requests a second over kept-alive connections; a request counts as dropped
where it was sent and no answer came, by a reset, an early end, or nothing.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from fraud_platform.settings import Settings
from fraud_platform_tests.serving.load import Load
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.process import Process, sockets_of

Run = Callable[[Settings], Process]


@pytest.fixture
def body(transaction: dict[str, object]) -> dict[str, object]:
    """A request of a known user."""
    return transaction


@contextmanager
def under_load(process: Process, body: object) -> Iterator[Load]:
    """A load on a service within the block, its answers flowing."""
    load = Load(process.port, body)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        assert eventually(lambda: load.outcome.answered[200] > 100)
        yield load
    finally:
        load.stop()
        thread.join(60)
    assert not thread.is_alive()


def with_workers(settings: Settings, workers: int, drain_seconds: float = 1.5) -> Settings:
    serving = replace(settings.serving, workers=workers, drain_seconds=drain_seconds)
    return replace(settings, serving=serving)


def test_sigterm_of_a_worker_of_two_drops_no_request(
    run: Run, settings: Settings, deploy: Deploy, body: dict[str, object]
) -> None:
    deploy(settings)
    process = run(with_workers(settings, 2))
    with under_load(process, body) as load:
        second, first = sorted(process.workers, key=sockets_of)  # the one with most of the load
        os.kill(first, signal.SIGTERM)
        assert eventually(lambda: first not in process.workers)
        gone = load.outcome.answered.total()
        assert eventually(lambda: len(process.workers) == 2 and second in process.workers)
        assert eventually(lambda: load.outcome.answered.total() > gone + 100)

    assert load.outcome.lost == []
    assert load.outcome.refused == 0
    assert load.outcome.answered.keys() == {200}
    assert load.outcome.closes > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_of_the_whole_service_drops_no_request(
    run: Run, settings: Settings, deploy: Deploy, body: dict[str, object], workers: int
) -> None:
    deploy(settings)
    process = run(with_workers(settings, workers))
    with under_load(process, body) as load:
        process.popen.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert process.popen.wait(30) == 0
        assert time.monotonic() - told < 10

    assert load.outcome.lost == []
    assert load.outcome.answered.keys() == {200}
    assert load.outcome.closes > 0
    assert load.outcome.refused > 0  # it ended under load, not after it


def test_a_rolling_restart_replaces_both_workers_and_drops_no_request(
    run: Run, settings: Settings, deploy: Deploy, body: dict[str, object]
) -> None:
    deploy(settings)
    process = run(with_workers(settings, 2, drain_seconds=0.5))
    before = set(process.workers)
    with under_load(process, body) as load:
        process.popen.send_signal(signal.SIGHUP)
        replaced = {"event": "workers_replaced"}
        assert eventually(lambda: replaced["event"] in [line["event"] for line in process.log], 30)
        assert not before & set(process.workers)

    assert load.outcome.lost == []
    assert load.outcome.refused == 0
    assert load.outcome.answered.keys() == {200}


def test_connections_that_wait_to_be_accepted_are_answered_when_the_service_ends(
    run: Run, settings: Settings, deploy: Deploy, body: dict[str, object]
) -> None:
    """The worker is stopped while they come, so that they are all in the backlog at SIGTERM."""
    deploy(settings)
    process = run(with_workers(settings, 1))
    os.kill(process.popen.pid, signal.SIGSTOP)
    try:
        load = Load(process.port, body, connections=50, rate=5_000)
        thread = threading.Thread(target=load.run)
        thread.start()
        time.sleep(0.5)
        process.popen.send_signal(signal.SIGTERM)
        load.stop()
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)
    thread.join(30)

    assert process.popen.wait(30) == 0
    assert load.outcome.lost == []
    assert load.outcome.answered == {200: 50}
