"""A deadline holds whatever a call does, and a pool outlives its hung threads."""

import asyncio
import threading
import time

import pytest

from fraud_platform_tests.serving.parts import eventually
from serving import off_loop
from serving.off_loop import BusyError, OffLoop


class Resources:
    """Counts how many are open; each test has its own count."""

    def __init__(self) -> None:
        self.open = 0
        self._lock = threading.Lock()

    def __call__(self) -> "Resources":
        with self._lock:
            self.open += 1
        return self

    def close(self) -> None:
        with self._lock:
            self.open -= 1


def test_a_call_gives_its_result_or_its_exception() -> None:
    resources = Resources()

    async def run() -> None:
        pool = OffLoop(resources)
        assert await pool.run(lambda _: 7, 5.0) == 7
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda _: 1 // 0, 5.0)
        pool.close()

    asyncio.run(run())


def test_the_deadline_holds_while_calls_hang_and_the_pool_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(off_loop, "HUNG_S", 0.05)
    release, resources = threading.Event(), Resources()

    async def run() -> None:
        pool = OffLoop(resources, threads=2, most=4)
        waits: list[float] = []
        # Two hang; calls behind them are late until the two count as hung and are replaced.
        for call in [lambda _: release.wait(30)] * 2 + [lambda _: True] * 6:
            started = time.monotonic()
            try:
                assert await pool.run(call, 0.03)
            except TimeoutError:
                waits.append(time.monotonic() - started)
        assert 2 <= len(waits) <= 6
        assert max(waits) < 1.0
        assert await pool.run(lambda _: True, 5.0)
        release.set()
        assert await pool.run(lambda _: True, 5.0)
        pool.close()

    asyncio.run(run())
    assert eventually(lambda: resources.open == 0)


def test_with_every_thread_hung_calls_are_refused_at_once_and_threads_do_not_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(off_loop, "HUNG_S", 0.0)
    release, resources = threading.Event(), Resources()

    async def run() -> None:
        pool = OffLoop(resources, threads=1, most=3, waiting=5)
        hung = [pool.run(lambda _: release.wait(30), 0.05) for _ in range(8)]
        outcomes = await asyncio.gather(*hung, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {TimeoutError, BusyError}
        while True:
            try:
                await pool.run(lambda _: release.wait(30), 0.01)
            except BusyError:
                break
            except TimeoutError:
                continue
        assert resources.open <= 3
        release.set()
        await asyncio.sleep(0.1)
        assert await pool.run(lambda _: True, 5.0)
        pool.close()

    asyncio.run(run())
    assert eventually(lambda: resources.open == 0)


def test_a_hung_call_does_not_hold_up_the_end_of_the_loop() -> None:
    release, resources = threading.Event(), Resources()

    async def run() -> None:
        pool = OffLoop(resources)
        with pytest.raises(TimeoutError):
            await pool.run(lambda _: release.wait(30), 0.01)

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 5
    release.set()
