"""Files of decisions (NDJSON): segments that the service's workers write and that landing takes up.

A segment that is being written has a name that starts with a dot, and its writer's lock, which the
kernel takes away when the writer ends, however it ends. Finished, it has the name without the dot.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fraud_platform.durable import sync_directory

SUFFIX = ".ndjson"


def begin_segment(folder: Path) -> tuple[Path, int]:
    """A new segment and its handle, locked, for appending; its name lasts through a power cut.

    Names sort by the time that they were begun at. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        name = f".{time.time_ns() // 1_000}-{uuid.uuid4().hex[:12]}{SUFFIX}"
        path = folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(path, flags, 0o640)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(handle, path):
            sync_directory(folder)
            return path, handle
        os.close(handle)  # landing found it before it was locked, and took it away as abandoned


def finish_segment(path: Path, handle: int) -> Path | None:
    """Makes the segment last and gives it its final name; an empty one goes, and gives None.

    The handle stays open. Raises OSError, with the segment left as it is.
    """
    if os.fstat(handle).st_size == 0:
        path.unlink()
        return None
    os.fsync(handle)
    final = path.with_name(path.name.removeprefix("."))
    path.rename(final)
    sync_directory(path.parent)
    return final


def open_segments(folder: Path) -> list[Path]:
    """Segments that are being written, or were when their writer was killed; oldest first."""
    return sorted(folder.glob(f".*{SUFFIX}"))


def finished_segments(folder: Path) -> list[Path]:
    """Segments that wait to be landed, oldest first."""
    return sorted(p for p in folder.glob(f"*{SUFFIX}") if not p.name.startswith("."))


def finish_abandoned(folder: Path) -> list[Path]:
    """Finishes the segments whose writers ended without doing so."""
    found = []
    for path in open_segments(folder):
        with suppress(FileNotFoundError, BlockingIOError), _locked(path) as handle:
            if _is_at(handle, path) and (finished := finish_segment(path, handle)) is not None:
                found.append(finished)
    return found


@contextmanager
def only_one(folder: Path) -> Iterator[bool]:
    """Whether the block is the only one, of all processes, that lands what is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".landing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    finally:
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
