"""The peak memory of this process since a moment, for stages that are reported one by one."""

import resource
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
