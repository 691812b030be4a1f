"""The service in a process of its own."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

from fraud_platform.settings import Settings

CHECKOUT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from pathlib import Path
from fraud_platform.settings import Online, Secret, Serving, Settings
from serving.run import serve
data_dir, store, redis_url = sys.argv[1:]
online = Online(store=store, redis_url=Secret(redis_url))
serving = Serving(port=0, poll_seconds=0.02)
serve(Settings(data_dir=Path(data_dir), serving=serving, online=online))
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


class Process:
    """A service in a process of its own, on a free port."""

    def __init__(self, settings: Settings) -> None:
        self.log_file = settings.data_dir / "log"
        store = [settings.online.store, settings.online.redis_url.reveal()]
        with self.log_file.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", PROGRAM, settings.data_dir, *store],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.popen.stdout is not None
        self.ready_line = self.popen.stdout.readline()

    @property
    def port(self) -> int:
        """The port that it said it answers on."""
        assert self.ready_line, self.log_file.read_text()
        return int(self.ready_line.split("127.0.0.1:")[1].split(",")[0])

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def stop(self) -> tuple[int, str]:
        """Sends SIGTERM; the exit status, and what was printed after the ready line."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        out, _ = self.popen.communicate(timeout=30)
        return self.popen.returncode, out
