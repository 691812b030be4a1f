"""Work that goes on until somebody stops it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def until_stopped() -> Iterator[Event]:
    """An event that SIGINT and SIGTERM set while the block runs, so that it can end in order."""
    stop = Event()
    wanted = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
