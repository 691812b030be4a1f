"""One broker process: KRaft, loopback only, restartable on its own data."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.kafka_client import client_config
from fraud_platform.local_kafka.distribution import fetched_libs, java_program
from fraud_platform.local_kafka.properties import HOST, server_properties
from fraud_platform.settings import Kafka

START_SECONDS = 60
STOP_SECONDS = 30
_LEAVING_SECONDS = 5  # a killed broker's ports go a little later than its process id
_JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


@dataclass(frozen=True)
class LocalBroker:
    """A broker with its data, its log and its process id in one folder.

    `port` is the unencrypted listener that needs no login. `listeners` are more of them, as name ->
    (port, security protocol), and `properties` are further lines of server.properties, which win
    over ours. `users` are SCRAM-SHA-256 users (name -> password), made when the folder is new.

    The object holds no process: any other one of the same folder may stop what it has started.
    """

    folder: Path
    port: int
    cache: Path
    listeners: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.folder / "broker.log"

    @property
    def pid(self) -> int | None:
        """The id of this folder's broker process, or None where none runs."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):  # a half-written one is of a start that failed
            return None
        # Another program may have the number by now.
        return pid if str(self._config_file) in _command_line(pid) else None

    @property
    def running_port(self) -> int | None:
        """The port that this folder's broker was started on, or None where none runs."""
        if self.pid is None:
            return None
        first = re.search(
            r"^listeners=PLAINTEXT://[^:]+:(\d+)", self._config_file.read_text(), re.MULTILINE
        )
        return int(first[1]) if first else None

    def start(self, *, detached: bool = False) -> None:
        """Starts the broker and waits until it answers; formats the folder if it is new.

        A detached one outlives this process and its terminal. Raises PredictFlowError where the
        port is taken, Java or Kafka can't be had, or the broker dies (with the end of its log).
        """
        if self.pid is not None:
            return
        java, libs = java_program(), fetched_libs(self.cache)
        for port in (self.port, *(port for port, _ in self.listeners.values())):
            _check_free(port, patience=_LEAVING_SECONDS if self._pid_file.exists() else 0)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._config_file.write_text(
            server_properties(self._data, self.port, self.listeners, self.properties)
        )
        program = [java, *_JAVA_OPTIONS, "-cp", f"{libs}/*"]
        if not (self._data / "meta.properties").exists():
            self._format(program)
        pid = self._spawn([*program, "kafka.Kafka", str(self._config_file)], detached)
        self._pid_file.write_text(str(pid))
        self._wait_until_it_answers(pid)

    def stop(self) -> bool:
        """Stops the broker in good order; whether there was one."""
        return self._end(signal.SIGTERM)

    def kill(self) -> bool:
        """Ends the broker as a fault would, with SIGKILL; whether there was one."""
        return self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> bool:
        pid = self.pid
        if pid is None:
            self._pid_file.unlink(missing_ok=True)
            return False
        os.kill(pid, by)
        deadline = time.monotonic() + STOP_SECONDS
        while _runs(pid):
            if time.monotonic() > deadline:
                raise PredictFlowError(
                    f"the broker (process {pid}) did not stop in {STOP_SECONDS} s; see "
                    f"{self.log_file}, or end it with: kill -9 {pid}"
                )
            time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)
        return True

    @property
    def _data(self) -> Path:
        return self.folder.absolute() / "data"

    @property
    def _config_file(self) -> Path:
        return self.folder.absolute() / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "broker.pid"

    def _format(self, program: Sequence[str]) -> None:
        command = [*program, "kafka.tools.StorageTool", "format"]
        command += ["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(self._config_file)]
        for name, password in self.users.items():
            command += ["--add-scram", f"SCRAM-SHA-256=[name={name},password={password}]"]
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        if done.returncode:
            raise PredictFlowError(f"can't format {self._data}: {_tail(done.stdout + done.stderr)}")

    def _spawn(self, command: list[str], detached: bool) -> int:
        # Without subprocess.Popen, which complains of a child that it may not wait for.
        append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=detached,
        )

    def _wait_until_it_answers(self, pid: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (status := _ended(pid)) is None and time.monotonic() < deadline:
            if _listens(self.port) and self._answers():
                return
            time.sleep(0.05)
        if status is None:
            self.kill()
        self._pid_file.unlink(missing_ok=True)
        raise PredictFlowError(
            f"the Kafka broker on {self.address} "
            + ("does not answer" if status is None else f"ended with status {status}")
            + f"; the end of {self.log_file}:\n{_tail(self.log_file.read_text(errors='replace'))}"
        )

    def _answers(self) -> bool:
        """Whether it gives metadata in which it stands as a broker that takes records."""
        config = client_config(Kafka(brokers=self.address))
        config["bootstrap_timeout_ms"] = 2_000
        try:
            KafkaAdminClient(**config).close()
        except KafkaError:
            return False
        return True


def _check_free(port: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            # As Java does; without it a port counts as taken for a minute after its listener's end.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise PredictFlowError(
                        f"port {port} of {HOST} can't be had for Kafka ({error.strerror}); stop "
                        "what listens there, or choose another with --port"
                    ) from error
            else:
                return
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _command_line(pid: int) -> str:
    """The command line of a running process, or nothing."""
    if not Path("/proc/self").exists():  # macOS
        listed = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        return subprocess.run(listed, capture_output=True, text=True, check=False).stdout  # noqa: S603
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _ended(pid: int) -> int | None:
    """The exit status of a child that has ended; of another's child, its parent is told."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if ended else None


def _runs(pid: int) -> bool:
    """Whether the process is there with its ports; what is left of one after its end is not.

    Of a process that is killed the first thread may have ended while others still hold the ports.
    """
    if _ended(pid) is not None:
        return False
    if not Path("/proc/self").exists():  # macOS
        return bool(_command_line(pid))
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X") or threads > 1


def _tail(text: str, lines: int = 15) -> str:
    said = [line for line in text.strip().splitlines() if not line.startswith("\tat ")]
    return "\n".join(said[-lines:]) or "(empty)"
