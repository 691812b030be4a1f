"""`predictflow serve` as a process with any settings, by their environment variables."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).parents[2]


class Served:
    """A service on a free port; ended by its own process id."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.log_file = data_dir / f"serve-{time.monotonic_ns()}.log"
        told = {
            "PYTHONPATH": str(CHECKOUT),
            "PREDICTFLOW_DATA_DIR": str(data_dir),
            "PREDICTFLOW_SERVING_PORT": "0",
            "PREDICTFLOW_SERVING_POLL_SECONDS": "0.05",
            "PREDICTFLOW_SERVING_REPEAT_SECONDS": "0",
            "PREDICTFLOW_SERVING_FEATURE_DEADLINE_MS": "2000",
        }
        with self.log_file.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "fraud_platform", "serve"],
                env=os.environ | told | settings,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.popen.stdout is not None
        self.ready_line = self.popen.stdout.readline()
        assert self.ready_line, self.log_file.read_text()
        self._port = int(self.ready_line.split("127.0.0.1:")[1].split(",")[0])
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)

    def ask(self, body: Mapping[str, object]) -> dict[str, Any]:
        """The decision on a transaction."""
        status, answer = self._call("POST", "/predict", json.dumps(body))
        assert status == 200, answer
        return json.loads(answer)

    def health(self) -> dict[str, Any]:
        """What /health/ready says."""
        return json.loads(self._call("GET", "/health/ready")[1])

    def samples(self) -> dict[str, float]:
        """Prometheus' samples by name and labels."""
        return {
            sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): value
            for family in text_string_to_metric_families(self._call("GET", "/metrics")[1])
            for sample in family.samples
            if (value := sample.value) is not None
        }

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def stop(self) -> int:
        """Sends SIGTERM; the exit status."""
        self._connection.close()
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        self.popen.communicate(timeout=30)
        return self.popen.returncode

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._connection.close()
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()
