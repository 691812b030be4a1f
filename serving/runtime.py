"""The directory that the workers of a service share while it runs."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory with a random name is made in it, mode 0700
ROOM = 256 * 2**20
"""Bytes that have to be free there: a mapped file that outgrows its file system ends the process,
and containers often have 64 MiB."""

_PREFIX = "predictflow-service-"
_HELD = "held"


@contextmanager
def runtime_directory() -> Iterator[Path]:
    """A new directory, in memory where there is room; gone with the block.

    Those of services that were killed go at the start of the next one of the same user.
    """
    place = _place()
    for old in place.glob(f"{_PREFIX}*"):
        _remove_if_nobody_holds(old)
    made = Path(tempfile.mkdtemp(prefix=".predictflow-", dir=place))
    with hold(made):
        # Only now by the name that others look for: they would take one that nobody holds away.
        directory = made.rename(place / f"{_PREFIX}{made.name.removeprefix('.predictflow-')}")
        try:
            yield directory
        finally:
            shutil.rmtree(directory)


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Keeps the directory from being taken for a killed service's, until this process ends."""
    file = os.open(directory / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def _place() -> Path:
    if os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free >= ROOM:
        return _MEMORY
    return Path(tempfile.gettempdir())


def _remove_if_nobody_holds(directory: Path) -> None:
    try:
        file = os.open(directory / _HELD, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # another user's, or just removed
        return
    try:
        if os.fstat(file).st_uid != os.geteuid():
            return
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(file)
