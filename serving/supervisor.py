"""Several workers: started, replaced where they end, ended together. It answers nothing itself, and
so imports next to nothing."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings
from serving.worker_process import StartError, Worker, said, spawn

STEADY_S = 30.0
"""A worker that lived shorter ended at its start: the next one waits."""

LONGEST_WAIT_S = 30.0

GIVE_UP = 5
"""Failed starts in a row after which a service that nobody answers for ends."""

LATE_S = 15.0
"""Seconds beyond serving.drain_seconds after which a worker that was told to end is killed."""

logger = logging.getLogger("predictflow.serving")


class Supervisor:
    """The workers of `settings.serving.workers`, on listeners that it holds open for them.

    `on_ready` is called once, when all of them answer, with what the first says of its model.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        runtime: Path,
        on_ready: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._runtime = runtime
        self._on_ready = on_ready
        self._workers: set[Worker] = set()
        self._numbers: set[int] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._rolling = False
        self._short_lives = 0
        self._failed_starts = 0

    async def run(self) -> None:
        """Returns after SIGTERM or SIGINT, when all have ended; raises PredictFlowError where they
        cannot start."""
        (self._runtime / "metrics").mkdir()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._in_background(self._roll()))
        try:
            self._in_background(self._start_all())
            await self._ended
        finally:
            await self._end_all()

    async def _start_all(self) -> None:
        starts = [self._start() for _ in range(self._settings.serving.workers)]
        try:
            models = await asyncio.gather(*starts)
        except StartError as error:
            self._fail(PredictFlowError(f"{error}; its log above says more"))
        else:
            self._on_ready(models[0])

    async def _start(self) -> str:
        """Starts a worker and waits until it answers; what it says of its model, or StartError."""
        worker = await self._spawn()
        word, rest = await worker.hear()
        if word != "ready":
            status = await worker.process.wait()
            self._forget(worker)
            how = rest if word == "failed" else f"it ended with {said(status)}"
            raise StartError(f"worker {worker.number} did not start: {how}")
        worker.ready_since = time.monotonic()
        self._failed_starts = 0
        logger.info("worker_ready", extra={"fields": worker.fields})
        self._in_background(self._watch(worker))
        return rest

    async def _spawn(self) -> Worker:
        number = next(n for n in range(1, 2**16) if n not in self._numbers)
        self._numbers.add(number)
        worker = await spawn(number, self._listeners, self._runtime, self._settings)
        self._workers.add(worker)
        return worker

    async def _watch(self, worker: Worker) -> None:
        """Puts another in a worker's place when it leaves or ends."""
        word, _ = await worker.hear()
        if word == "leaving" and not worker.replaced:  # it was sent SIGTERM, and is still at work
            worker.replaced = True
            self._in_background(self._replace())
        status = await worker.process.wait()
        self._forget(worker)
        if self._ended.done():
            return
        fields = worker.fields | {"status": said(status)}
        logger.log(
            logging.ERROR if status else logging.INFO, "worker_ended", extra={"fields": fields}
        )
        if not worker.replaced:
            lived = time.monotonic() - (worker.ready_since or 0)
            self._short_lives = 0 if lived > STEADY_S else self._short_lives + 1
            await self._replace(wait=_wait_s(self._short_lives))

    async def _replace(self, wait: float = 0.0) -> None:
        while not self._ended.done():
            await asyncio.sleep(wait)
            try:
                await self._start()
            except StartError as error:
                self._log_failure(str(error))
                self._failed_starts += 1
                if self._failed_starts >= GIVE_UP and not self._answering():
                    tried = f"no worker answers, and {GIVE_UP} in a row did not start; the last"
                    self._fail(PredictFlowError(f"{tried}: {error}"))
                wait = _wait_s(self._failed_starts + 1)
            else:
                return

    async def _roll(self) -> None:
        """Puts a new worker in each one's place, one after the other, and none less at any time."""
        if self._rolling or self._ended.done():
            return
        self._rolling = True
        try:
            for old in self._answering():
                await self._start()
                old.replaced = True
                old.signal(signal.SIGTERM)
                await old.process.wait()
            logger.info("workers_replaced")
        except StartError as error:
            self._log_failure(f"{error}; the old ones stay")
        finally:
            self._rolling = False

    def _stop(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
            return
        for worker in self._workers:  # told a second time: whoever says so cannot wait
            worker.signal(signal.SIGKILL)

    def _fail(self, error: PredictFlowError) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    async def _end_all(self) -> None:
        workers = list(self._workers)
        for worker in workers:
            worker.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.serving.drain_seconds + LATE_S):
                await asyncio.gather(*(worker.process.wait() for worker in workers))
        for worker in workers:
            if worker.process.returncode is None:
                logger.error("worker_killed", extra={"fields": worker.fields})
                worker.signal(signal.SIGKILL)
                await worker.process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _answering(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready_since is not None]

    def _forget(self, worker: Worker) -> None:
        """Gives its number free; what it counted stays, what it measured of itself goes."""
        worker.writer.close()
        # As prometheus_client's mark_process_dead, which to import takes 10 MB.
        for file in (self._runtime / "metrics").glob(f"gauge_live*_{worker.number}.db"):
            file.unlink()
        self._workers.discard(worker)
        self._numbers.discard(worker.number)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():  # it no longer sees to its workers
            self._ended.set_exception(error)

    def _log_failure(self, reason: str) -> None:
        logger.error("worker_failed", extra={"fields": {"reason": reason}})


def _wait_s(times: int) -> float:
    """How long to wait after so many short lives in a row."""
    return 0.0 if times < 2 else min(LONGEST_WAIT_S, 0.25 * 2**times)
