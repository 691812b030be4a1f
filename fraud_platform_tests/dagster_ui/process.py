"""`dagster dev` in processes of its own, and its GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
DEADLINE = 180.0


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """What the Makefile exports, for a data directory of the test's own, and these settings."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("PREDICTFLOW_", "DAGSTER_"))}
    return mine | {
        "PYTHONPATH": str(CHECKOUT),
        # Not the checkout: a test leaves nothing there.
        "DAGSTER_HOME": str(data_dir),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PREDICTFLOW_DATA_DIR": str(data_dir),
        "PREDICTFLOW_DAGSTER_DIR": str(data_dir / "dagster"),
        "PREDICTFLOW_LABELS_MATURITY_DAYS": "1",
        **{f"PREDICTFLOW_{name}": value for name, value in settings.items()},
    }


class DagsterDev:
    """Webserver, daemon and code server on a free loopback port, in one process group."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.data_dir = data_dir
        self.log_file = data_dir / "dagster-dev.log"
        command = [sys.executable, "-m", "dagster", "dev", "-w", str(CHECKOUT / "workspace.yaml")]
        with self.log_file.open("w") as log:
            self.popen = subprocess.Popen(
                [*command, "-h", "127.0.0.1", "-p", str(port)],
                cwd=CHECKOUT,
                env=environment(data_dir, **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, what: str, until: Callable[[], Any]) -> Any:
        """The first true answer of `until`; fails with the end of the log when none comes."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self.popen.poll() is None:
            if answer := until():
                return answer
            time.sleep(0.25)
        tail = self.log_file.read_text()[-4000:]
        why = f"not within {DEADLINE:.0f} s" if self.popen.poll() is None else "dagster dev ended"
        raise AssertionError(f"{what}: {why}; the log ends with\n{tail}")

    def answers(self) -> bool:
        """Whether the webserver takes requests."""
        try:
            self.graphql("{version}")
        except OSError:
            return False
        return True

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of an answer; fails on any error."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def stop(self) -> None:
        """SIGTERM to the leader, which ends its children; then SIGKILL to whoever is left."""
        with suppress(subprocess.TimeoutExpired):
            self.popen.terminate()
            self.popen.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(timeout=30)
        assert _ended(self.popen.pid), f"process group {self.popen.pid} still has processes"


def _ended(group: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
