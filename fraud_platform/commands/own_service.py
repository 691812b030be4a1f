"""A service of a command's own: started on a free port, asked, and ended with the command."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from fraud_platform.commands.dagster_run import dagster_environment
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings

READY_SECONDS = 60


@contextmanager
def service(settings: Settings) -> Iterator[str]:
    """A service of its own process on a free port, ended with the block."""
    with socket.socket() as probe:
        probe.bind((settings.serving.host, 0))
        port = probe.getsockname()[1]
    address = f"http://{settings.serving.host}:{port}"
    log = settings.data_dir / "serve.log"
    command = [sys.executable, "-m", "fraud_platform", "serve", "--port", str(port)]
    environment = os.environ | dagster_environment(settings)
    # A machine that has just trained a model may be too busy for 20 ms; here nobody waits to pay.
    environment.setdefault("PREDICTFLOW_SERVING_FEATURE_DEADLINE_MS", "1000")
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=output, stderr=output, env=environment
        ) as process,
    ):
        try:
            _wait_until_ready(address, process, log)
            yield address
        finally:
            process.terminate()


def _wait_until_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            get(f"{address}/health/ready")
        except OSError:  # refused, or not ready yet (503)
            time.sleep(0.1)
        else:
            return
    raise PredictFlowError(f"the service did not get ready; see {log}:\n{log.read_text()[-2000:]}")


def get(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own service
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return msgspec.json.decode(answer.read())


def ask(address: str, payment: dict[str, Any]) -> dict[str, Any]:
    """The service's decision on a payment, with three reasons."""
    return get(f"{address}/predict?reasons=3", payment)
