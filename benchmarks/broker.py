"""The broker that a benchmark runs against."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_platform.local_kafka import LocalBroker, cache_folder, free_port
from fraud_platform.settings import load_settings


@contextmanager
def broker_of(named: str | None) -> Iterator[str]:
    """host:port of the broker that was named, or of one that is started for the block."""
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalBroker(Path(folder), free_port(), cache_folder(load_settings().data_dir))
        broker.start()
        try:
            yield broker.address
        finally:
            broker.stop()
