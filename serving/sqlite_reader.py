"""Requests' states from Feast's SQLite store, in threads beside the event loop."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import batched
from pathlib import Path

from fraud_platform.features.state import View
from fraud_platform.online.feast_format import entity_key
from fraud_platform.online.read_until import read_until_us
from fraud_platform.online.sqlite_store import MARKERS, STREAM_MARKERS
from serving.off_loop import OffLoop
from serving.store_fault import (
    AGED,
    STORED_VIEWS,
    Asked,
    FaultKind,
    Fetched,
    Oldest,
    StoreFaultError,
)

RECHECK_S = 0.2
"""Seconds between two looks at whether the file was replaced or is gone."""

_AT_ONCE = 16
"""Of a batch, how many make up one row of the answer."""

_VALUES = sum(len(view.fields) for view in STORED_VIEWS)


def _value_sql(view: View, name: str, number: int) -> str:
    where = f"entity_key = :{view.entity}{number} AND feature_name = '{name}'"
    return f'(SELECT value FROM "{view.table}" WHERE {where})'  # noqa: S608 - names of ours


_NAMES = ", ".join(f"'{view.name}'" for view in STORED_VIEWS)
_WRITTEN = f'(SELECT count(*) FROM "{MARKERS}" WHERE view IN ({_NAMES}))'  # noqa: S608 - as above
_AS_OF = [f"(SELECT as_of FROM \"{MARKERS}\" WHERE view = '{v.name}')" for v in AGED]  # noqa: S608


# One row, not one for each value: SQLite gives the interpreter's lock away at each row, and under
# load it is up to 5 ms before it has it back.
@cache
def _query(count: int) -> str:
    values = (
        _value_sql(view, name, number)
        for number in range(count)
        for view in STORED_VIEWS
        for name in view.fields
    )
    return "SELECT " + ", ".join([_WRITTEN, *_AS_OF, *values])


class SqliteReader:
    """The `Reader` of the file at `path`; SQLite itself waits `busy_s` seconds for a writer.

    That is to be less than the deadline, so that a lock is told from a hung disk.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self.where = str(path)
        self._threads = OffLoop(lambda: _Connection(path, busy_s))

    async def fetch(self, asked: Sequence[Asked], deadline_s: float) -> Fetched:
        """As `Reader.fetch`."""
        return await self._threads.run(lambda connection: connection.fetch(asked), deadline_s)

    async def read_until_us(self, deadline_s: float) -> int | None:
        """As `Reader.read_until_us`."""
        return await self._threads.run(lambda connection: connection.read_until_us(), deadline_s)

    async def close(self) -> None:
        """Ends the threads as they come free."""
        self._threads.close()


class _Connection:
    """One thread's connection; opened at the first reading and again for another file."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._look_again_at = 0.0
        self._oldest = Oldest()

    def fetch(self, asked: Sequence[Asked]) -> Fetched:
        rows: list[Sequence[bytes | None]] = []
        written, as_of = 0, [None] * len(AGED)
        with self._telling():
            for some in batched(asked, _AT_ONCE):
                # The last ones are made up to the number that the query is there for already.
                padded = [*some, *[some[-1]] * (_AT_ONCE - len(some) if len(asked) > 1 else 0)]
                keys = {
                    f"{entity}{number}": entity_key(f"{entity}_id", entity_id)
                    for number, ids in enumerate(padded)
                    for entity, entity_id in zip(("user", "merchant"), ids, strict=True)
                }
                found = self._connected().execute(_query(len(padded)), keys).fetchone()
                written, as_of = found[0], found[1 : 1 + len(AGED)]
                rows += list(batched(found[1 + len(AGED) :], _VALUES))[: len(some)]
            oldest = self._oldest.of(as_of)
        if written < len(STORED_VIEWS):
            missing = len(STORED_VIEWS) - written
            raise StoreFaultError("missing", f"{missing} views are not written yet")
        return Fetched(rows, oldest)

    def read_until_us(self) -> int | None:
        with self._telling():
            return read_until_us(dict(self._connected().execute(STREAM_MARKERS).fetchall()))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turns what SQLite raises into what is wrong with the store."""
        try:
            yield
        except FileNotFoundError as error:
            self.close()
            raise StoreFaultError("missing", str(error)) from error
        except Exception as error:
            # The next reading opens the file anew: the fault may have been in the connection.
            self.close()
            kind = _kind(error)
            cause = f"{type(error).__name__}: {error}"
            raise StoreFaultError(kind, cause, unreachable=kind == "locked") from error

    def _connected(self) -> sqlite3.Connection:
        now = time.monotonic()
        if self._connection is not None and now < self._look_again_at:
            return self._connection
        # A file that was replaced goes on being readable under its old inode, so compare that.
        stat = self._path.stat()
        file = (stat.st_dev, stat.st_ino)
        if self._connection is None or file != self._file:
            self.close()
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=self._busy_s,
                isolation_level=None,
            )
        self._file, self._look_again_at = file, now + RECHECK_S
        return self._connection


def _kind(error: Exception) -> FaultKind:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "locked"
    if code == sqlite3.SQLITE_ERROR:  # of a query that never changes: its tables are not there
        return "missing"
    return "unreadable"
