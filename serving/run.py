"""Running the service: its sockets, its directory, one process or several, the ready line."""

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing

from msgspec.structs import replace

from fraud_platform.settings import Settings
from serving.key_ring import check_hosts
from serving.logs import log_as_json
from serving.runtime import runtime_directory
from serving.sockets import address_of, listen


def serve(settings: Settings) -> None:
    """Answers requests until SIGTERM or SIGINT, then returns once those under way are answered.

    Prints one line when it is ready, with the address and the model version; logs go to standard
    error. Raises PredictFlowError where an address cannot be taken, or is not to be without keys,
    or the workers cannot start.
    """
    check_hosts(settings)
    with ExitStack() as stack:
        # Before anything slow, so that a taken port is told at once.
        listeners = listen(settings.serving)
        for listener in listeners:
            stack.enter_context(closing(listener))
        settings = _with_ports(settings, listeners)
        log_as_json()
        runtime = stack.enter_context(runtime_directory())
        workers = settings.serving.workers
        whom = "" if settings.keys_file.exists() else "; without API keys, so this machine alone"

        def announce(model: str) -> None:
            public, *admin = map(address_of, listeners)
            also = "".join(f", {address} for the admin" for address in admin)
            sys.stdout.write(f"PredictFlow answers on {public}, {model}{also}{whom}\n")
            sys.stdout.flush()

        if workers == 1:
            from serving.worker import answer  # noqa: PLC0415 - a supervisor needs none of it

            signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
            answer(settings, listeners, runtime, on_ready=announce)
        else:
            from serving.supervisor import Supervisor  # noqa: PLC0415

            supervisor = Supervisor(
                settings,
                listeners,
                runtime,
                on_ready=lambda model: announce(f"{model}, {workers} workers"),
            )
            asyncio.run(supervisor.run())


def _with_ports(settings: Settings, listeners: Sequence[socket.socket]) -> Settings:
    """The settings with the ports that were taken, where any free one would do."""
    ports = [listener.getsockname()[1] for listener in listeners]
    taken = dict(zip(("port", "admin_port"), ports, strict=False))
    return replace(settings, serving=replace(settings.serving, **taken))
