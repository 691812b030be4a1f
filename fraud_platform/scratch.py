"""Directories for what is needed only while a process works, swept also after one was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """An empty directory below `root`, removed at the end of the block.

    Its owner holds a lock on it, which the system takes back from a process that dies; such
    leftovers are removed by whoever comes next.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        _sweep(left)
    path, handle = _locked(root)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def _locked(root: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(dir=root))
        handle = os.open(path, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if path.exists():  # else it was swept before it was locked
            return path, handle
        os.close(handle)


def _sweep(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # another process was faster
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:  # in use
        pass
    finally:
        os.close(handle)
