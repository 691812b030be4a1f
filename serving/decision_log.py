"""The decision log: each decision with all it was made of, written off the request path."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from queue import SimpleQueue
from typing import Literal

import msgspec

from fraud_platform.contracts.decisions import Decision, encode_decisions
from fraud_platform.settings import Settings
from serving.answer_metrics import DecisionLogMetrics
from serving.decision_files import Row, SegmentFiles, Target
from serving.problems import ProblemError

logger = logging.getLogger("predictflow.serving")

Mode = Literal["off", "best_effort", "required"]

WAITING = 20_000
"""Decisions that may wait, some 20 MB; past it they are dropped and counted, or refused."""

COLLECT_S = 0.05
"""Seconds that decisions are collected for where no answer waits for them: written one by one, each
would take the interpreter's lock from a request."""

RETRY_S = 1.0
"""Seconds between two tries to write."""

DURABLE_S = 3.0
"""Seconds that an answer waits, at most, for its row to be durable."""


class LogState(msgspec.Struct, frozen=True):
    """How the log stands: `failing` where decisions can't be stored just now."""

    mode: Mode
    failing: bool = False
    reason: str | None = None
    """What is wrong, for the caller, without a path."""
    waiting: int = 0

    @property
    def keeps_from_deciding(self) -> bool:
        """Whether every request would be refused now."""
        return self.mode == "required" and self.failing


@dataclass(slots=True, eq=False)
class _Job:
    row: Row
    stored: asyncio.Future[None] | None = None
    """What the answer waits for, where it does."""


class DecisionLog:
    """Takes decisions and has a thread of its own store them.

    "best_effort": `record` returns at once; rows that can't be written are kept, up to WAITING of
    them, and tried again. "required": it returns when the row is durable, many rows sharing one
    fsync, and refuses the request otherwise. Rows go to Kafka where `kafka.brokers` is set, else to
    files.
    """

    def __init__(self, settings: Settings, metrics: DecisionLogMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._mode: Mode = settings.serving.decision_log
        self._required = self._mode == "required"
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # Each counted by one thread alone, so that what waits is exact: the loop, the writer.
        self._recorded = self._finished = 0
        self._since: float | None = None
        """Since when the batch at hand is being written, on the monotonic clock."""
        self._fault: str | None = None
        self._target: Target | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins, in the process and the event loop that will record."""
        if self._mode == "off":
            return
        self._target = self._opened()
        self._thread = threading.Thread(target=self._work, name="decision-log", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Stores what waits, or drops it and counts it, and ends; a disk that hangs is left."""
        if self._thread is not None:
            self._closing.set()
            self._jobs.put(None)
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._drop("unwritten", self._waiting)
            self._thread = None

    async def record(self, decision: Decision) -> None:
        """Logs a decision; raises ProblemError 503 where it must be stored and can't be."""
        if self._mode == "off":
            return
        job = _Job(Row(decision.user_id.encode(), encode_decisions([decision])))
        full = self._waiting >= WAITING
        if not self._required:
            if full:
                self._metrics.dropped("full", 1)
            else:
                self._put(job)
            return
        if full:
            raise self._refusal("too many decisions wait to be stored")
        job.stored = asyncio.get_running_loop().create_future()
        self._put(job)
        try:
            async with asyncio.timeout(DURABLE_S):
                await job.stored
        except TimeoutError as error:
            raise self._refusal(f"it was not stored within {DURABLE_S:g} s") from error
        except OSError as error:
            raise self._refusal(_told(error)) from error

    def state(self) -> LogState:
        """How the log stands."""
        waiting = self._waiting
        if self._mode == "off":
            return LogState("off")
        since = self._since
        hangs = since is not None and time.monotonic() - since > DURABLE_S
        fault = self._fault or ("a write does not return" if hangs else None)
        fault = fault or ("too many decisions wait" if waiting >= WAITING else None)
        failing = fault is not None
        reason = None
        if fault is not None:
            reason = f"decisions can't be logged: {fault}"
        elif self._target is not None:
            reason = self._target.fault()
        return LogState(self._mode, failing, reason, waiting)

    @property
    def _waiting(self) -> int:
        return self._recorded - self._finished

    def _put(self, job: _Job) -> None:
        self._recorded += 1
        self._jobs.put(job)

    def _opened(self) -> Target:
        files = SegmentFiles(self._settings.decisions_dir)
        files.take_over()
        if not self._settings.kafka.brokers:
            return files
        # Only who has Kafka pays for the import of its client.
        from serving.decision_topic import Topic  # noqa: PLC0415

        return Topic(self._settings.kafka, files, self._metrics)

    def _refusal(self, why: str) -> ProblemError:
        self._metrics.dropped("refused", 1)
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "decision-not-logged",
            "The decision could not be logged",
            f"Decisions have to be logged before they are given, and this one was not: {why}. "
            "Nothing was decided; ask again.",
            headers={"Retry-After": "1"},
        )

    def _work(self) -> None:
        assert self._target is not None
        last = False
        while not last:
            jobs, last = self._taken()
            self._metrics.waiting(self._waiting)
            if not jobs:
                self._idle(self._target)
            elif self._required:
                self._store(self._target, jobs)
            else:
                self._keep_trying(self._target, jobs)
            self._finished += len(jobs)
        self._target.close()

    def _taken(self) -> tuple[list[_Job], bool]:
        """What waits, and whether it is the last; nothing where nothing came for a while."""
        try:
            waiting = [self._jobs.get(timeout=RETRY_S)]
        except queue.Empty:
            return [], False
        if not self._required and not self._closing.is_set():
            time.sleep(COLLECT_S)
        waiting += [self._jobs.get() for _ in range(self._jobs.qsize())]
        return [job for job in waiting if job is not None], None in waiting

    def _idle(self, target: Target) -> None:
        target.idle()
        if self._fault is None:
            return
        try:
            target.probe()
        except OSError as error:
            self._fault = _told(error)
        else:
            self._well()

    def _store(self, target: Target, jobs: Sequence[_Job]) -> None:
        """Stores the rows of the answers that still wait, and lets these go."""
        wanted = [job for job in jobs if job.stored is not None and not job.stored.done()]
        error = self._written(target, wanted) if wanted else None
        for loop in {job.stored.get_loop() for job in wanted if job.stored is not None}:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
                loop.call_soon_threadsafe(_settle, wanted, error)

    def _keep_trying(self, target: Target, jobs: Sequence[_Job]) -> None:
        while self._written(target, jobs) is not None:
            if self._closing.wait(RETRY_S):
                if self._written(target, jobs) is not None:
                    self._drop("unwritten", len(jobs))
                return

    def _written(self, target: Target, jobs: Sequence[_Job]) -> OSError | None:
        """Writes the rows; None, or why they are not stored."""
        self._since = time.monotonic()
        try:
            target.write([job.row for job in jobs], durable=self._required)
        except Exception as error:  # a thread that ended would store nothing any more
            cause = error if isinstance(error, OSError) else OSError(f"{type(error).__name__}")
            if self._fault is None:
                fields = {"rows": len(jobs), "cause": str(error)}
                logger.exception("decision_log_failed", extra={"fields": fields})
            self._fault = _told(cause)
            return cause
        finally:
            self._since = None
        self._well()
        self._metrics.logged(len(jobs))
        return None

    def _well(self) -> None:
        if self._fault is not None:
            self._fault = None
            logger.info("decision_log_back")

    def _drop(self, why: Literal["unwritten"], rows: int) -> None:
        if rows:
            self._metrics.dropped(why, rows)
            logger.error("decisions_lost", extra={"fields": {"rows": rows, "cause": self._fault}})


def _settle(jobs: Sequence[_Job], error: OSError | None) -> None:
    for job in jobs:
        if job.stored is None or job.stored.done():
            continue
        if error is None:
            job.stored.set_result(None)
        else:
            job.stored.set_exception(error)


def _told(error: OSError) -> str:
    """An error in words without a path: it is for the caller."""
    return error.strerror or str(error)
