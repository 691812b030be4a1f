"""A worker as its supervisor sees it: a process, and the socket that the two speak over."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from fraud_platform.settings import Settings
from fraud_platform.settings.transfer import to_bytes

CHECKOUT = Path(__file__).parents[1]


class StartError(Exception):
    """A worker ended before it was ready; the text says how."""


class Worker:
    """A process that answers, and the socket that it and its supervisor speak over."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self.number = number
        self.process = process
        self.ready_since: float | None = None
        self.replaced = False
        """Whether another one was started in its place already."""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def hear(self) -> tuple[str, str]:
        """The next it says, in its first word and the rest; both empty when it has ended."""
        try:
            line = (await self.reader.readline()).decode().rstrip("\n")
        except ConnectionError:
            return "", ""
        word, _, rest = line.partition(" ")
        return word, rest

    @property
    def fields(self) -> dict[str, int]:
        """What says in a line of the log which it is."""
        return {"worker": self.number, "process": self.process.pid}

    def end(self) -> None:
        """Has it end with the service."""
        if self.ready_since is None:
            self.signal(signal.SIGKILL)  # it has nothing to finish
        else:
            self.writer.write(b"stop\n")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)


async def spawn(
    number: int, listeners: Sequence[socket.socket], runtime: Path, settings: Settings
) -> Worker:
    """Starts `serving.worker`, which inherits the listeners and is told the rest over the socket,
    where nobody else sees the secrets."""
    files = [listener.fileno() for listener in listeners]
    ours, theirs = socket.socketpair()
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", *(f"-W{option}" for option in sys.warnoptions)),
            *("-m", "serving.worker", str(number), *map(str, [theirs.fileno(), *files])),
            pass_fds=[theirs.fileno(), *files],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C is for the supervisor, which tells them
        )
    worker = Worker(number, process)
    worker.reader, worker.writer = await asyncio.open_unix_connection(sock=ours)
    worker.writer.write(os.fsencode(runtime) + b"\n" + to_bytes(settings) + b"\n")
    return worker


def said(status: int) -> str:
    """How a process ended."""
    return f"status {status}" if status >= 0 else signal.Signals(-status).name
