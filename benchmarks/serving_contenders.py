"""The services that are compared: ours and the rivals, each started as its users start it."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.open_load import Order, Running
from benchmarks.serving_processes import Usage, is_helper, usage
from benchmarks.serving_world import World
from feature_repo.store import apply, connection_string, feast_dir
from fraud_platform.features.state import PROJECT
from fraud_platform.local_kafka import free_port

CHECKOUT = Path(__file__).parents[1]
START_S = 120
HOST = "127.0.0.1"
CONNECTIONS = 64
"""That a load at a constant rate is spread over."""


@dataclass
class Service:
    """A running service: where it answers, what to send, which processes it is."""

    port: int
    bodies: Path
    path: str = "/predict"
    headers: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    log: Path = Path()

    def load(
        self,
        *,
        seconds: float,
        rate: float | None = None,
        connections: int = CONNECTIONS,
        each: bool = False,
    ) -> Running:
        """Load on it from a process of its own, every request with an id of its own."""
        return Running(
            Order(
                port=self.port,
                path=self.path,
                headers=self.headers,
                bodies=str(self.bodies),
                seconds=seconds,
                rate=rate,
                connections=connections,
                ids=uuid4().hex[:12],
                each=each,
            )
        )

    def workers(self) -> list[int]:
        """The processes that answer: those below the first, or it alone."""
        roots = [process.pid for process in self.processes]
        below = [pid for pid in self.usage().pids if pid not in roots]
        return sorted(pid for pid in below if not is_helper(pid)) or roots

    def usage(self) -> Usage:
        """Memory and processor time of its processes and theirs."""
        return usage([process.pid for process in self.processes])


Start = Callable[[World, int], Any]
"""Starts a service of so many workers for a block."""


class MissingError(Exception):
    """Something that a contender needs is not there; the text says what."""


@contextmanager
def ours(world: World, workers: int) -> Iterator[Service]:
    """`predictflow serve` as it is by default, with an API key."""
    service = Service(free_port(), world.bodies, headers=_api_key(world))
    environment = {
        "PREDICTFLOW_SERVING_PORT": str(service.port),
        "PREDICTFLOW_SERVING_WORKERS": str(workers),
    }
    with _running(service, world, [_python("fraud_platform", "serve")], [environment]):
        _await_status(service, "/health/ready")
        if len(service.workers()) < workers:
            raise MissingError("this version of the service is one process")
        yield service


@contextmanager
def fastapi(world: World, workers: int) -> Iterator[Service]:
    """The service as people write it."""
    _need("fastapi")
    service = Service(free_port(), world.bodies)
    environment = {"BENCH_MODEL": str(world.classifier), "BENCH_FEAST": str(feast_folder(world))}
    command = _uvicorn("benchmarks.serving_fastapi:app", service.port, workers)
    with _running(service, world, [command], [environment]):
        _await_status(service, "/docs")
        yield service


@contextmanager
def mlflow(world: World, workers: int) -> Iterator[Service]:
    """`mlflow models serve`, which gets the features in the request."""
    service = Service(free_port(), world.vectors, path="/invocations")
    where = ["--host", HOST, "--port", str(service.port), "--workers", str(workers)]
    model = ["-m", str(world.booster), "--env-manager", "local"]
    command = _python("mlflow", "models", "serve", *model, *where)
    with _running(service, world, [command], [{}]):
        _await_status(service, "/health")
        yield service


@contextmanager
def feast(world: World, workers: int) -> Iterator[Service]:
    """`feast serve` and a scorer that asks it, each with so many workers."""
    _need("fastapi", "httpx", "gunicorn")
    features, service = free_port(), Service(free_port(), world.bodies)
    where = ["-h", HOST, "-p", str(features), "-w", str(workers), "--no-access-log"]
    server = _python("feast.cli.cli", "-c", str(feast_folder(world)), "serve", *where)
    environment = {
        "BENCH_MODEL": str(world.classifier),
        "BENCH_FEATURES": f"http://{HOST}:{features}",
    }
    scorer = _uvicorn("benchmarks.serving_scorer:app", service.port, workers)
    with _running(service, world, [server, scorer], [{}, environment]):
        _await_status(service, "/health", features)
        _await_status(service, "/docs")
        yield service


CONTENDERS: dict[str, Start] = {"ours": ours, "fastapi": fastapi, "mlflow": mlflow, "feast": feast}


def feast_folder(world: World) -> Path:
    """A Feast repository on the world's store, with our views and the on-demand view applied."""
    folder = world.folder / "feast"
    if folder.exists():
        return folder
    apply(world.settings)
    folder.mkdir()
    registry = (feast_dir(world.settings) / "registry.db").absolute()
    lines = [
        f"project: {PROJECT}",
        "provider: local",
        f"registry: {registry}",
        "online_store:",
        "  type: redis",
        f"  connection_string: '{connection_string(world.settings.online)}'",
        "offline_store:",
        "  type: feature_repo.offline.LakeOfflineStore",
        "entity_key_serialization_version: 3",
    ]
    (folder / "feature_store.yaml").write_text("\n".join(lines))
    return folder


def _api_key(world: World) -> dict[str, str]:
    """The header with a key of this world; nothing where this version of the service has none."""
    if find_spec("fraud_platform.cli_keys") is None:
        return {}
    file = world.folder / "key"
    if not file.exists():
        who = ["--name", "benchmark", "--scope", "predict", "--rate", "1000000"]
        made = subprocess.run(
            _python("fraud_platform", "keys", "create", *who),
            env=_environment(world),
            stdout=subprocess.PIPE,
            check=True,
        )
        file.write_bytes(made.stdout.strip())
    return {"Authorization": f"Bearer {file.read_text()}"}


def _environment(world: World) -> dict[str, str]:
    """That of every process; mlflow starts uvicorn by name."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | world.environment | {"PYTHONPATH": str(CHECKOUT), "PATH": programs}


def _need(*modules: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingError(f"it needs {', '.join(missing)}, of the dependency group dev")


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _uvicorn(app: str, port: int, workers: int) -> list[str]:
    where = ["--host", HOST, "--port", str(port), "--workers", str(workers)]
    return _python("uvicorn", app, *where, "--no-access-log", "--log-level", "warning")


@contextmanager
def _running(
    service: Service,
    world: World,
    commands: list[list[str]],
    environments: list[dict[str, str]],
) -> Iterator[None]:
    """Runs the commands for the block; ends each by SIGTERM to it, and what it left by its id."""
    handle, name = tempfile.mkstemp(prefix="log-", dir=world.folder)
    service.log = Path(name)
    with ExitStack() as stack, os.fdopen(handle, "wb") as log:
        for command, own in zip(commands, environments, strict=True):
            process = subprocess.Popen(
                command, cwd=world.folder, env=_environment(world) | own, stdout=log, stderr=log
            )
            service.processes.append(process)
            stack.callback(_end, process)
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    everybody = usage([process.pid]).pids
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in everybody:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _await_status(service: Service, path: str, port: int = 0) -> None:
    """Returns when a path answers 200."""
    end = time.monotonic() + START_S
    while True:
        ended = [process for process in service.processes if process.poll() is not None]
        if ended or time.monotonic() > end:
            said = service.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{service.processes[0].args} did not come to answer:\n{said}")
        connection = http.client.HTTPConnection(HOST, port or service.port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
