"""What the processes of a service use, by Linux' own account."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of some processes and all below them, by process id."""

    peak_mib: dict[int, int]
    """Most memory that was resident at once."""
    cpu_s: float

    @property
    def pids(self) -> list[int]:
        return list(self.peak_mib)

    @property
    def largest_mib(self) -> int:
        """That of the largest process."""
        return max(self.peak_mib.values(), default=0)

    @property
    def sum_mib(self) -> int:
        """That of all, pages that they share counted in each."""
        return sum(self.peak_mib.values())


def usage(roots: list[int]) -> Usage:
    """Memory and processor time of the processes and of all below them."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        ticks[pid] = int(fields[11]) + int(fields[12])
    found: dict[int, int] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in ticks:
            found[pid] = _peak_mib(pid)
        waiting += children.get(pid, [])
    return Usage(found, sum(ticks[pid] for pid in found) * _TICK_S)


def _peak_mib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak[0]) // 1024 if peak else 0


def is_helper(pid: int) -> bool:
    """Whether it is the process that Python's multiprocessing keeps account with."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
