"""The broker that a benchmark runs against."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def broker_of(named: str | None) -> Iterator[str]:
    """host:port of the broker that was named, or of one that is started for the block."""
    if named:
        yield named
        return
    raise SystemExit("name a broker with --broker")
