"""Several processes of one service: started, replaced, ended; and what they share."""

import asyncio
import http.client
import os
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Online, Secret, Serving, Settings
from fraud_platform.settings.transfer import from_bytes, to_bytes
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.process import Process, sockets_of
from serving import runtime, supervisor, worker_process
from serving.runtime import runtime_directory
from serving.sockets import listen
from serving.supervisor import Supervisor

Run = Callable[[Settings], Process]


def of_two(settings: Settings, **changes: object) -> Settings:
    return replace(settings, serving=replace(settings.serving, workers=2, **changes))


def status_of(port: int, path: str = "/health/ready") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def runtime_of(process: int) -> Path:
    """The runtime directory that a process holds."""
    links = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since: the worker goes on serving meanwhile
            links.append(file.readlink())
    (held,) = {link.parent for link in links if link.name == "held"}
    return held


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def test_two_workers_share_a_port_and_its_connections(
    run: Run, settings: Settings, deploy: Deploy
) -> None:
    deploy(settings)
    process = run(of_two(settings, admin_port=0))
    expected = f"PredictFlow answers on http://127.0.0.1:{process.port}, model 1, 2 workers"
    assert process.ready_line.startswith(f"{expected}, http://127.0.0.1:")
    admin = int(process.ready_line.partition(" for the admin")[0].rsplit(":")[-1])
    assert admin != process.port

    first, second = process.workers
    before = {worker: sockets_of(worker) for worker in (first, second)}
    address = ("127.0.0.1", process.port)
    connections = [socket.create_connection(address) for _ in range(40)]
    assert eventually(lambda: sum(sockets_of(worker) - before[worker] for worker in before) == 40)
    assert all(sockets_of(worker) - before[worker] >= 4 for worker in before)
    for connection in connections:
        connection.close()

    assert status_of(admin) == 200
    os.kill(first, signal.SIGSTOP)  # the other one answers for both
    try:
        assert {status_of(process.port) for _ in range(5)} == {200}
    finally:
        os.kill(first, signal.SIGCONT)
    shared = runtime_of(second)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700
    started = time.monotonic()
    assert process.stop()[0] == 0
    assert time.monotonic() - started < 5  # nobody was connected, so there was nothing to wait for
    assert is_gone(first)
    assert is_gone(second)
    assert not shared.exists()


def test_a_killed_worker_is_replaced(run: Run, settings: Settings, deploy: Deploy) -> None:
    deploy(settings)
    process = run(of_two(settings))
    killed, other = process.workers

    os.kill(killed, signal.SIGKILL)

    assert status_of(process.port) == 200
    assert eventually(lambda: len(process.workers) == 2 and killed not in process.workers)
    assert other in process.workers
    ended = [line for line in process.log if line["event"] == "worker_ended"]
    assert [(line["process"], line["status"]) for line in ended] == [(killed, "SIGKILL")]


def test_workers_end_with_their_supervisor_and_what_it_left_goes_with_the_next(
    run: Run, settings: Settings, deploy: Deploy
) -> None:
    deploy(settings)
    process = run(of_two(settings))
    workers = process.workers
    left = runtime_of(workers[0])

    process.popen.kill()
    process.popen.wait()

    assert eventually(lambda: all(map(is_gone, workers)))
    assert left.exists()
    with runtime_directory() as own:
        assert not left.exists()
        with runtime_directory():
            assert own.exists()  # its service lives
    assert not own.exists()


def test_what_the_workers_share_is_in_memory_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with runtime_directory() as directory:
        assert directory.parent == Path("/dev/shm")
    monkeypatch.setattr(runtime, "ROOM", 2**60)
    with runtime_directory() as directory:
        assert directory.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_headers_without_end_are_refused(run: Run, settings: Settings, deploy: Deploy) -> None:
    deploy(settings)
    process = run(settings)
    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
        for _ in range(40):
            connection.sendall(b"X-A: " + b"a" * 1017 + b"\r\n")
            time.sleep(0.001)
            connection.setblocking(False)
            try:
                answer = connection.recv(4096)
                break
            except BlockingIOError:
                connection.settimeout(30)
        else:
            answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"line and headers are over 32,768 bytes" in answer


def test_settings_arrive_in_a_worker_as_they_were(tmp_path: Path) -> None:
    online = Online(store="redis", redis_url=Secret("redis://user:secret@host"))
    settings = Settings(data_dir=tmp_path, online=online, serving=Serving(keys_file=tmp_path / "k"))

    arrived = from_bytes(to_bytes(settings))

    assert arrived.online.redis_url.reveal() == "redis://user:secret@host"
    assert arrived.serving.keys_file == tmp_path / "k"
    assert to_bytes(arrived) == to_bytes(settings)


@pytest.fixture
def supervised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], PredictFlowError | None]:
    """Runs two workers of a program of the test's own to their end, with short waits."""

    def run(program: str) -> PredictFlowError | None:
        (tmp_path / "serving").mkdir()
        (tmp_path / "serving" / "__init__.py").touch()
        (tmp_path / "serving" / "worker.py").write_text(f"import os, sys, time\n{program}")
        monkeypatch.setattr(worker_process, "CHECKOUT", tmp_path)
        monkeypatch.setattr(supervisor, "LONGEST_WAIT_S", 0.05)
        (tmp_path / "runtime").mkdir()
        settings = Settings(serving=Serving(port=0, workers=2))
        listeners = listen(settings.serving)
        ready = Supervisor(settings, listeners, tmp_path / "runtime", on_ready=lambda _: None)
        try:
            asyncio.run(ready.run())
        except PredictFlowError as error:
            return error
        finally:
            listeners[0].close()
        return None

    return run


def test_workers_that_cannot_start_end_the_service_with_the_reason(
    supervised: Callable[[str], PredictFlowError | None],
) -> None:
    error = supervised('os.write(int(sys.argv[2]), b"failed the store is of another kind\\n")')

    assert "did not start: the store is of another kind" in str(error)


def test_workers_that_die_at_start_end_the_service_with_how(
    supervised: Callable[[str], PredictFlowError | None],
) -> None:
    assert "did not start: it ended with SIGKILL" in str(supervised("os.kill(os.getpid(), 9)"))


def test_a_service_that_no_worker_answers_for_any_more_ends(
    supervised: Callable[[str], PredictFlowError | None], tmp_path: Path
) -> None:
    """The first two answer for a moment; those in their place end at their start."""
    error = supervised(
        f"mark = {str(tmp_path / 'started')!r} + sys.argv[1]\n"
        "if os.path.exists(mark): sys.exit(7)\n"
        "open(mark, 'w').close()\n"
        "os.write(int(sys.argv[2]), b'ready model 1\\n')\n"
        "time.sleep(0.3)\n"
    )

    assert "no worker answers, and 5 in a row did not start; the last" in str(error)
    assert "ended with status 7" in str(error)
