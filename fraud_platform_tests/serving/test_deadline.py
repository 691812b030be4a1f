"""A deadline against one who was asked, with a loop in time and with one that is behind."""

import asyncio
import socket
import time

import pytest
import uvloop

from serving.deadline import Deadline

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("answered_after_s", [0.01, None])
def test_an_answer_that_lies_in_the_socket_is_taken_by_a_loop_that_is_behind(
    loop, answered_after_s: float | None
) -> None:
    async def ask() -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            loop = asyncio.get_running_loop()
            if answered_after_s is not None:
                loop.call_later(answered_after_s, theirs.send, b"known")
            # Holds the loop from before the answer's coming to well after the deadline.
            loop.call_later(answered_after_s or 0.01, time.sleep, 0.2)
            try:
                async with Deadline(0.05):
                    return await reader.read(100)
            finally:
                writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        if answered_after_s is None:
            with pytest.raises(TimeoutError):
                runner.run(ask())
        else:
            assert runner.run(ask()) == b"known"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_in_time_gives_up_at_the_deadline(loop) -> None:
    async def wait() -> float:
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            async with Deadline(0.05):
                await asyncio.sleep(10)
        return time.perf_counter() - started

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(wait()) >= 0.05
