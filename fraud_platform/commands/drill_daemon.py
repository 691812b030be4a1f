"""Dagster's daemon with its code server, for as long as a drill goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_platform.commands import dagster_run
from fraud_platform.commands.drill_story import Missed
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.scheduler.instigation import InstigatorTick

ENDS_SECONDS = 10
LOOKS_SECONDS = 0.2


class Daemon:
    """A running daemon: what its sensor said, and what became of the runs that it asked for."""

    def __init__(
        self, on: "dg.DagsterInstance", process: "subprocess.Popen[bytes]", log: Path
    ) -> None:
        self.on, self.process, self.log = on, process, log

    def tick(self, sensor: str, after: float) -> "InstigatorTick | None":
        """The first whole evaluation of a sensor that began after a moment (Unix seconds)."""
        from dagster._core.definitions.run_request import InstigatorType  # noqa: PLC0415
        from dagster._core.scheduler.instigation import TickStatus  # noqa: PLC0415

        for state in self.on.all_instigator_state(instigator_type=InstigatorType.SENSOR):
            if state.instigator_name == sensor:
                done = [TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE]
                found = self.on.get_ticks(
                    state.instigator_origin_id, state.selector_id, after=after, statuses=done
                )
                return min(found, key=lambda one: one.timestamp, default=None)
        return None

    def asked(self, sensor: str) -> "list[dg.DagsterRun]":
        """The runs that a sensor asked for, the newest first."""
        import dagster as dg  # noqa: PLC0415 - a second to import

        return list(self.on.get_runs(dg.RunsFilter(tags={"dagster/sensor_name": sensor})))

    def wait[T](self, what: str, look: Callable[[], T | None], seconds: float) -> T:
        """The first answer of `look` that is something; raises Missed where none comes in time, or
        the daemon ends."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if (found := look()) is not None:
                return found
            time.sleep(LOOKS_SECONDS)
        ended = self.process.poll()
        why = f"within {seconds:.0f} s" if ended is None else f"as the daemon ended with {ended}"
        raise Missed(f"{what}: that didn't happen {why}; look into {self.log}")


@contextmanager
def daemon(settings: Settings) -> Iterator[Daemon]:
    """A daemon in a process group of its own, in which its code server and its runs are too; all of
    it has ended when the block ends."""
    home, log = dagster_run.dagster_home(), settings.data_dir / "daemon.log"
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(home / "workspace.yaml")]
    with dagster_run.instance(settings) as on, log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=home,
            env=os.environ | dagster_run.dagster_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield Daemon(on, process, log)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Asks the daemon to end, then makes whoever is left of its group; returns once all have."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + ENDS_SECONDS
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)  # raises once the last has ended
            time.sleep(LOOKS_SECONDS)
