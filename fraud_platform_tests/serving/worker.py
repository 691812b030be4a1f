"""A worker of the service: `python worker.py DATA_DIR RUNTIME SERVING`, on a free port.

SERVING is JSON. Several that are given one runtime directory are the workers of one service.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvicorn

from fraud_platform.settings import Serving, Settings
from serving.lean_import import import_xgboost_alone


def main() -> None:
    """Prints the port, then answers until it is told to end."""
    import_xgboost_alone()
    from serving.app import create_app  # noqa: PLC0415 - it imports XGBoost

    data_dir, runtime, given = sys.argv[1:]
    serving = msgspec.json.decode(given, type=Serving)
    settings = Settings(data_dir=Path(data_dir), serving=serving)
    app = create_app(settings, serving.feature_deadline_ms / 1000, Path(runtime))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", server_header=False))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def _start(settings: Settings, runtime: Path, **serving: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, settings.data_dir, runtime, json.dumps(serving)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def workers(
    count: int, settings: Settings, runtime: Path, **serving: object
) -> Iterator[list[int]]:
    """Runs so many workers of one service; their ports."""
    runtime.mkdir()
    running = [_start(settings, runtime, **serving) for _ in range(count)]
    try:
        yield [int(worker.stdout.readline()) for worker in running if worker.stdout]
    finally:
        for worker in running:
            worker.terminate()
            worker.communicate(timeout=30)


class Given(NamedTuple):
    """An answer, and whether it was given before."""

    body: bytes
    replayed: bool


class Worker:
    """A worker; requests wait in its socket until it is ready."""

    def __init__(self, settings: Settings, runtime: Path) -> None:
        self._popen = _start(settings, runtime, repeat_seconds=600, feature_deadline_ms=1000)

    @cached_property
    def port(self) -> int:
        """The port that it answers on."""
        assert self._popen.stdout is not None
        return int(self._popen.stdout.readline())

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def post(self, transaction: dict[str, object]) -> Given:
        """The answer to a transaction."""
        connection = self.connect()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/predict", json.dumps(transaction), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        connection.close()
        return Given(body, answer.headers.get("Idempotent-Replayed") == "true")

    def kill(self) -> None:
        """Ends it at once, as the kernel does that is short of memory."""
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


if __name__ == "__main__":
    main()
