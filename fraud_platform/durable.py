"""Files and names that last through a power cut."""

import os
import tempfile
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes a file and has the disk take it before returning.

    `mode` is what a new file is opened with, less the umask.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Makes the names in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_durably(path: Path, content: bytes) -> None:
    """Makes `content` all of a file, or leaves it as it was, whoever else writes or reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)
    os.close(handle)
    staging = Path(name)
    try:
        staging.chmod(0o644)
        write_durably(staging, content)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
    sync_directory(path.parent)
