"""A deadline against one who was asked, with a loop in time and with one that is behind."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
import uvloop

from serving.deadline import Deadline

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_that_came_in_time_is_taken_by_a_loop_that_is_behind(
    loop: Callable[[], asyncio.AbstractEventLoop], answers: bool
) -> None:
    ours, theirs = socket.socketpair()
    asked, asker = socket.socketpair()

    def work() -> None:
        asyncio.get_running_loop().remove_reader(asked)
        if answers:
            theirs.send(b"known")
        time.sleep(0.2)  # as other requests do, until well after the deadline

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(sock=ours)
        asyncio.get_running_loop().add_reader(asked, work)
        asker.send(b"a request")
        try:
            async with Deadline(0.05):
                return await reader.read(100)
        finally:
            writer.close()

    with theirs, asked, asker, asyncio.Runner(loop_factory=loop) as runner:
        if answers:
            assert runner.run(ask()) == b"known"
        else:
            with pytest.raises(TimeoutError):
                runner.run(ask())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_in_time_gives_up_at_the_deadline(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def wait() -> float:
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            async with Deadline(0.05):
                await asyncio.sleep(10)
        return time.perf_counter() - started

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(wait()) >= 0.05
