"""Running the service: the socket, the server, the line that says it is ready, the end."""

import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Serving, Settings
from serving.lean_import import import_xgboost_alone
from serving.logs import log_as_json

GRACE_S = 10
"""Seconds that requests under way have to end after SIGTERM."""

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def serve(settings: Settings) -> None:
    """Answers requests until SIGTERM or SIGINT, then returns once those under way are answered.

    Prints one line when it is ready, with the address and the model version; logs go to standard
    error. Raises PredictFlowError where the address cannot be taken.
    """
    # Before anything slow, so that a taken port is told at once.
    with _listen(settings.serving) as listener:
        log_as_json()
        import_xgboost_alone()
        # These import XGBoost, so they come after it.
        from serving.app import create_app  # noqa: PLC0415
        from serving.service import service_of  # noqa: PLC0415

        app = create_app(settings, settings.serving.feature_deadline_ms / 1000)

        def announce() -> None:
            # What is there now stays; a full collection that walks it holds a request up for 40 ms.
            gc.collect()
            gc.freeze()
            champion = service_of(app).champion
            if champion.live is not None:
                model = f"model {champion.live.manifest.model_version}"
            else:
                model = "no model yet" if champion.refusal is None else "the model was refused"
            sys.stdout.write(f"PredictFlow answers on {_address(listener)}, {model}\n")
            sys.stdout.flush()

        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here asks who the client is, and anyone can send them
            lifespan="on",
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config, announce)
        with _returning_on_signals(server):
            server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn, with a word when it is ready."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _listen(serving: Serving) -> socket.socket:
    host, port = serving.host, serving.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"port {port} on {host} (settings serving.port and serving.host)"
        match error.errno:
            case errno.EADDRINUSE:
                mend = "is in use; stop what listens there or set another port (0 takes a free one)"
            case errno.EACCES:
                mend = "may not be taken by this user; set a port over 1023"
            case _:
                mend = f"cannot be listened on: {error.strerror}; set an address of this machine"
        raise PredictFlowError(f"{where} {mend}") from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
