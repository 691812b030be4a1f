"""Blocking calls beside the event loop, each with a deadline that holds even if it never returns.

`concurrent.futures` would do but for two things: a hung call keeps its thread for good, so that a
few of them take the pool away, and the interpreter waits for such threads when it ends.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from serving.deadline import LOOK_S, is_behind


class Closable(Protocol):
    """What a thread works with and closes at its end, such as a database connection."""

    def close(self) -> None: ...


class BusyError(Exception):
    """Every thread is held up and the queue is full."""


HUNG_S = 0.25
"""Seconds after which a call counts as hung; one that is merely late keeps its thread."""


@dataclass(slots=True, eq=False)
class _Job[R]:
    call: Callable[[R], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    started: float = 0.0
    """When a thread took it up, on the monotonic clock."""
    due: float = 0.0
    """When it is given up, on the loop's clock, by its timer."""
    timer: asyncio.TimerHandle | None = None
    replaced: bool = False
    """Whether it hangs and another thread has taken its thread's place."""


class OffLoop[R: Closable]:
    """A few threads, each with a resource of its own, that run calls for the event loop.

    A thread whose call hangs is given up for lost and another takes its place, up to `most`
    threads; past that, and with `waiting` calls queued, a call is refused at once.
    """

    def __init__(
        self, resource: Callable[[], R], *, threads: int = 2, most: int = 16, waiting: int = 64
    ) -> None:
        self._resource = resource
        self._fewest = threads
        self._most = most
        self._waiting = waiting
        self._jobs: SimpleQueue[_Job[R] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._running: set[_Job[R]] = set()
        self._threads = 0

    async def run[T](self, call: Callable[[R], T], deadline_s: float) -> T:
        """The result of `call`, run in a thread of this pool with that thread's resource.

        Raises TimeoutError at the deadline (the call may still be running), BusyError where no
        thread can take it, and whatever the call raises.
        """
        if self._jobs.qsize() >= self._waiting:
            raise BusyError
        if self._threads == 0:
            for _ in range(self._fewest):
                self._start_thread()
        loop = asyncio.get_running_loop()
        job = _Job(call, loop.create_future(), loop)
        self._jobs.put(job)
        job.due = loop.time() + deadline_s
        job.timer = loop.call_at(job.due, self._expire_unless_behind, job)
        try:
            return await job.future
        finally:
            job.timer.cancel()

    def close(self) -> None:
        """Ends the threads as they come free; those that hang end with the process."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)
            self._threads = 0

    def _start_thread(self) -> None:
        # A daemon, so that a hung call cannot hold up the end of the process.
        threading.Thread(target=self._work, name="off-loop", daemon=True).start()
        self._threads += 1

    def _expire_unless_behind(self, job: _Job[R]) -> None:
        if is_behind(job.loop, job.due):
            job.timer = job.loop.call_later(LOOK_S, self._expire, job)
        else:
            self._expire(job)

    def _expire(self, job: _Job[R]) -> None:
        if job.future.done():
            return
        job.future.set_exception(TimeoutError())
        hung_since = time.monotonic() - HUNG_S
        with self._lock:
            for running in self._running:
                if running.started < hung_since and not running.replaced:
                    if self._threads >= self._most:
                        return
                    running.replaced = True
                    self._start_thread()

    def _work(self) -> None:
        resource = self._resource()
        try:
            while (job := self._jobs.get()) is not None:
                if not self._work_off(job, resource):
                    return
        finally:
            resource.close()

    def _work_off(self, job: _Job[R], resource: R) -> bool:
        """Runs one job; False where the thread was replaced meanwhile and has to end."""
        if job.future.done():  # nobody waits for it any more
            return True
        job.started = time.monotonic()
        with self._lock:
            self._running.add(job)
        result: Any = None
        fault: BaseException | None = None
        try:
            result = job.call(resource)
        except BaseException as error:  # noqa: BLE001 - it is handed to the caller
            fault = error
        with self._lock:
            self._running.discard(job)
            if job.replaced:
                self._threads -= 1
                return False
        _settle_from_thread(job, result, fault)
        return True


def _settle_from_thread(job: _Job[Any], result: Any, fault: BaseException | None) -> None:
    def settle() -> None:
        if job.future.done():
            return
        if fault is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(fault)

    try:
        job.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop has ended, and with it whoever asked
