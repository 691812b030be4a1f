"""A table of fixed slots that all workers of a service see: a mapped file, locked by the shard.

The locks are the kernel's record locks: one that a killed worker held is free again at once. They
exclude processes, not the threads of one; a worker comes here from its event loop alone.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedSlots:
    """`slots` slots of `size` bytes in the file at `path`, made of zeros where it is not there."""

    def __init__(self, path: Path, slots: int, size: int) -> None:
        self.slots = slots
        self.size = size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, slots * size)  # the same length each time, so nothing is lost
        self._map = mmap.mmap(self._file, slots * size)

    @contextmanager
    def locked(self, slot: int) -> Iterator[memoryview]:
        """The bytes of a slot, which no other worker reads or writes meanwhile."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, slot)
        try:
            with memoryview(self._map) as whole:
                yield whole[slot * self.size : (slot + 1) * self.size]
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)

    def peek(self, slot: int, start: int, end: int) -> bytes:
        """Some bytes of a slot without its lock: another worker may be writing them just now."""
        begin = slot * self.size
        return self._map[begin + start : begin + end]

    def close(self) -> None:
        """Gives the mapping back; the file stays for the other workers."""
        self._map.close()
        os.close(self._file)
