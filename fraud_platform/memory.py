"""This process's memory: its peak since a moment, and how often Python looks for cycles in it."""

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def reset_peak() -> None:
    """Starts a new peak where the system can (Linux); elsewhere the peak stays the process's."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mib() -> int:
    """MiB of resident memory at the peak since `reset_peak`."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass  # not Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Polling makes millions of objects that are free of cycles: looking for some costs a tenth."""
    former = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*former)
