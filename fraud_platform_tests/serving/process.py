"""The service in a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fraud_platform.settings import Settings
from fraud_platform.settings.transfer import to_bytes

CHECKOUT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from fraud_platform.settings.transfer import from_bytes
from serving.run import serve
serve(from_bytes(sys.stdin.buffer.readline()))
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def sockets_of(process: int) -> int:
    """How many sockets a process has open."""
    count = 0
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            count += str(file.readlink()).startswith("socket:")
    return count


class Process:
    """A service in a process of its own, with several workers their supervisor; by default on a
    free port."""

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.log_file = settings.data_dir / "log"
        self._connections: list[http.client.HTTPConnection] = []
        # kafka-python 3.0.12 reads its schemas in a way that Python 3.12 deprecates.
        told = [f"ignore:{name}_text is deprecated:DeprecationWarning" for name in ("read", "open")]
        warnings = [part for one in ("error", *told) for part in ("-W", one)]
        with self.log_file.open("w") as lines:
            self.popen = subprocess.Popen(
                [sys.executable, *warnings, "-c", PROGRAM],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=lines,
                text=True,
            )
        assert self.popen.stdout is not None
        assert self.popen.stdin is not None
        self.popen.stdin.write(to_bytes(_on_port(settings, port)).decode() + "\n")
        self.popen.stdin.flush()
        self.ready_line = self.popen.stdout.readline()

    @property
    def port(self) -> int:
        """The port that it said it answers on."""
        assert self.ready_line, self.log_file.read_text()
        return int(self.ready_line.split("127.0.0.1:")[1].split(",")[0])

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log so far, but for one that is just being written."""
        whole, _, _ = self.log_file.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self._connections.append(connection)
        return connection

    def stop(self) -> tuple[int, str]:
        """Sends SIGTERM; the exit status, and what was printed after the ready line."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        out, _ = self.popen.communicate(timeout=30)
        for connection in self._connections:
            connection.close()
        return self.popen.returncode, out


def _on_port(settings: Settings, port: int) -> Settings:
    return replace(settings, serving=replace(settings.serving, port=port))
