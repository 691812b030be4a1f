"""Decisions to files: one segment after another, each this worker's own."""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from fraud_platform.decision_segments import begin_segment, finish_abandoned, finish_segment

logger = logging.getLogger("predictflow.serving")

SEGMENT_BYTES = 32 * 2**20
SEGMENT_S = 60.0
"""A segment is finished, and can be landed, at so many bytes or seconds."""

_PROBE_BYTES = 64 * 1024


class Row(NamedTuple):
    """A decision on its way into the log: its user, and its line of NDJSON."""

    key: bytes
    line: bytes


class Target(Protocol):
    """Where decisions go; used by one thread alone."""

    def write(self, rows: Sequence[Row], *, durable: bool) -> None:
        """Stores all the rows or raises OSError; `durable`: so that they last a power cut."""
        ...

    def idle(self) -> None:
        """Does what time has made due. Raises nothing."""
        ...

    def probe(self) -> None:
        """Raises OSError where rows could not be stored now."""
        ...

    def fault(self) -> str | None:
        """What is wrong that costs no row."""
        ...

    def close(self) -> None:
        """Finishes. Raises nothing."""
        ...


class SegmentFiles:
    """The `Target` that writes segments in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._handle = -1
        self._length = 0
        self._finish_at = 0.0

    def write(self, rows: Sequence[Row], *, durable: bool) -> None:
        """As `Target.write`; after an error no part of the rows is in the segment."""
        self.idle()
        if self._path is None:
            self._path, self._handle = begin_segment(self._folder)
            self._length, self._finish_at = 0, time.monotonic() + SEGMENT_S
        lines = b"".join(row.line for row in rows)
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._handle, left) :]
            if durable:
                os.fdatasync(self._handle)
        except OSError:
            self._give_up()
            raise
        self._length += len(lines)

    def idle(self) -> None:
        """Finishes the segment where it is full or old enough."""
        due = self._length >= SEGMENT_BYTES or time.monotonic() >= self._finish_at
        if self._path is not None and due:
            self.close()

    def probe(self) -> None:
        """Takes some room in a new segment, and gives it back."""
        path, handle = begin_segment(self._folder)
        try:
            os.posix_fallocate(handle, 0, _PROBE_BYTES)
        finally:
            path.unlink()
            os.close(handle)

    def fault(self) -> str | None:
        """Files have no fault that costs no row."""
        return None

    def close(self) -> None:
        """Finishes the segment; where that fails it is left to landing, as a killed worker's is."""
        if self._path is None:
            return
        try:
            finish_segment(self._path, self._handle)
        except OSError as error:
            fields = {"segment": str(self._path), "cause": str(error)}
            logger.warning("decision_segment_left_open", extra={"fields": fields})
        os.close(self._handle)
        self._path = None

    def take_over(self) -> None:
        """Finishes the segments that killed workers left."""
        try:
            for path in finish_abandoned(self._folder):
                logger.info("decision_segment_taken_over", extra={"fields": {"segment": str(path)}})
        except OSError as error:
            fields = {"folder": str(self._folder), "cause": str(error)}
            logger.warning("decision_segments_not_taken_over", extra={"fields": fields})

    def _give_up(self) -> None:
        """Takes a part of rows out of the segment and leaves it: what a disk did after an error is
        not known, so nothing more is written behind it. Landing takes over what was whole."""
        assert self._path is not None
        with suppress(OSError):  # a part that stays is a torn line, or rows that are written twice
            os.ftruncate(self._handle, self._length)
            if self._length == 0:
                self._path.unlink()
        os.close(self._handle)
        self._path = None
