"""The platform's figures, which Dagster's daemon writes and the page shows."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from fraud_platform.contracts.monitoring import Figures
from serving.off_loop import BusyError, OffLoop

DEADLINE_S = 2.0
MOST_BYTES = 8 * 2**20
"""A file that is larger was not written by the platform."""


class Found(NamedTuple):
    """The figures, or why there are none."""

    figures: Figures | None
    fault: str


class FiguresFile:
    """The file at `path`, read when it changed, beside the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = OffLoop(_Nothing, threads=1, most=2, waiting=4)
        self._seen: tuple[int, ...] = ()
        self._found = Found(None, "")

    async def read(self) -> Found:
        """What is in the file now; a fault where it isn't there, can't be read, or is damaged."""
        try:
            return await self._threads.run(lambda _: self._look(), DEADLINE_S)
        except (TimeoutError, BusyError):
            return Found(None, f"{self._path} did not answer within {DEADLINE_S:g} s")

    def close(self) -> None:
        """Ends its thread."""
        self._threads.close()

    def _look(self) -> Found:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp != self._seen:
                self._found, self._seen = self._decoded(stat.st_size), stamp
        except FileNotFoundError:
            return Found(None, f"{self._path} is not there")
        except OSError as error:
            return Found(None, f"{self._path}: {error.strerror}")
        return self._found

    def _decoded(self, size: int) -> Found:
        if size > MOST_BYTES:
            return Found(None, f"{self._path} has {size:,} bytes, over {MOST_BYTES:,}")
        try:
            return Found(msgspec.json.decode(self._path.read_bytes(), type=Figures), "")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Found(None, f"{self._path} is damaged: {error}")


class _Nothing:
    def close(self) -> None: ...
