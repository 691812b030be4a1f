"""One process of the service: it answers on listeners that are there already.

    python -m serving.worker NUMBER CONTROL PUBLIC [ADMIN]

The arguments are the worker's number and file descriptors: of its end of the supervisor's control
socket, and of the listeners. Over the socket come the runtime directory and the settings, a line
each, then `stop` when the whole service ends; what is written to it is what the supervisor reads.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings
from fraud_platform.settings.transfer import from_bytes
from serving.lean_import import import_xgboost_alone
from serving.logs import log_as_json
from serving.runtime import hold
from serving.server import Server

READY, LEAVING, FAILED, STOP = "ready", "leaving", "failed", "stop"
METRICS = "metrics"
"""Where in the runtime directory the workers' metrics are."""

logger = logging.getLogger("predictflow.serving")


def answer(
    settings: Settings,
    listeners: Sequence[socket.socket],
    runtime: Path,
    *,
    on_ready: Callable[[str], None],
    control: socket.socket | None = None,
    number: int | None = None,
) -> None:
    """Answers requests until told to end, then returns once those under way are answered.

    `on_ready` is called with a few words on the model. With `control` there are other workers that
    go on answering, and a supervisor at its other end; `number` is this one's among them.
    """
    import_xgboost_alone()
    # These import XGBoost, so they come after it.
    from serving.app import create_app  # noqa: PLC0415
    from serving.service import service_of  # noqa: PLC0415

    app = create_app(settings, settings.serving.feature_deadline_ms / 1000, runtime, number)
    server = Server(app, listeners, settings.serving.drain_seconds, last=control is None)

    def ready() -> None:
        # What is there now stays; a full collection that walks it holds a request up for 40 ms.
        gc.collect()
        gc.freeze()
        if control is not None:
            _obey(control, server)
        champion = service_of(app).champion
        if champion.live is not None:
            on_ready(f"model {champion.live.manifest.model_version}")
        else:
            on_ready("no model yet" if champion.refusal is None else "the model was refused")

    server.on_ready = ready
    if control is not None:
        server.on_drain = lambda: _tell(control, LEAVING)
    with _returning_on_signals(server):
        server.run()


def main(arguments: Sequence[str] = sys.argv[1:]) -> None:
    """A worker of several, started by their supervisor."""
    number, control_file, *listener_files = map(int, arguments)
    control = socket.socket(fileno=control_file)
    with control.makefile("rb") as orders:
        runtime = Path(os.fsdecode(orders.readline().rstrip(b"\n")))
        settings = from_bytes(orders.readline())
    log_as_json()
    listeners = [socket.socket(fileno=file) for file in listener_files]
    with hold(runtime):
        _count_as(number, runtime / METRICS)
        try:
            answer(
                settings,
                listeners,
                runtime,
                on_ready=lambda model: _tell(control, f"{READY} {model}"),
                control=control,
                number=number,
            )
        except PredictFlowError as error:
            _tell(control, f"{FAILED} {' '.join(str(error).split())}")
            sys.exit(1)


def _count_as(number: int, directory: Path) -> None:
    """Keeps this process's metrics in files that all workers read.

    They are named after the worker's number and not its process id: who takes its place goes on
    counting there, so that a service whose workers come and go has no more files than workers.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    from prometheus_client import values  # noqa: PLC0415 - it looks at the variable when imported

    values.ValueClass = values.MultiProcessValue(lambda: number)


def _obey(control: socket.socket, server: Server) -> None:
    """Ends with the service: told by its supervisor, or by the end of it."""
    loop = asyncio.get_running_loop()
    control.setblocking(False)

    def heard() -> None:
        try:
            said = control.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        loop.remove_reader(control)  # there is one order, and then the end of the socket
        logger.info("worker_stops", extra={"fields": {"because": said.decode().strip() or "alone"}})
        server.last = True
        server.should_exit = True

    loop.add_reader(control, heard)


def _tell(control: socket.socket, line: str) -> None:
    try:
        control.sendall(f"{line}\n".encode())
    except OSError:  # nobody is there to be told; `_obey` sees to what follows from it
        logger.warning("supervisor_gone")


@contextmanager
def _returning_on_signals(server: uvicorn.Server) -> Iterator[None]:
    """Lets a graceful stop return: Uvicorn raises the signal once more when it has stopped.

    Before the server has taken the signals over, they end the process as they would.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if not server.should_exit:
            raise SystemExit(128 + number)

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
