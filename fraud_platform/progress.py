"""How far long work has come, told to whoever listens: the command line's bars, or nobody."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]

_listeners: list[Listener] = []


def report(stage: str, done: int, total: int) -> None:
    """Says that `done` of `total` units of a stage are done; a total of 0 is not known."""
    for listener in _listeners:
        listener(stage, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hears every report of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def each[T](stage: str, items: Iterable[T], total: int) -> Iterator[T]:
    """The items, each reported once it was dealt with."""
    for done, item in enumerate(items, 1):
        yield item
        report(stage, done, total)
