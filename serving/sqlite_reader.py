"""Requests' states from Feast's SQLite store, in threads beside the event loop."""

import sqlite3
import time
from pathlib import Path

from fraud_platform.features.state import VIEWS, View
from fraud_platform.online.feast_format import Decode, entity_key, value_decoder
from fraud_platform.online.rows import decoded_states
from fraud_platform.online.sqlite_store import MARKERS
from serving.off_loop import OffLoop
from serving.store_fault import Context, FaultKind, StoreFaultError

RECHECK_S = 0.2
"""Seconds between two looks at whether the file was replaced or is gone."""


def _value_sql(view: View, name: str) -> str:
    where = f"entity_key = :{view.entity} AND feature_name = '{name}'"
    return f'(SELECT value FROM "{view.table}" WHERE {where})'  # noqa: S608 - names of ours


# One row, not one for each value: SQLite gives the interpreter's lock away at each row, and under
# load it is up to 5 ms before it has it back.
_NAMES = ", ".join(f"'{view.name}'" for view in VIEWS)
_WRITTEN = f'(SELECT count(*) FROM "{MARKERS}" WHERE view IN ({_NAMES}))'  # noqa: S608 - as above
_QUERY = "SELECT " + ", ".join(
    [_WRITTEN, *(_value_sql(view, name) for view in VIEWS for name in view.fields)]
)


class SqliteReader:
    """The `Reader` of the file at `path`, with a deadline in seconds for each reading."""

    def __init__(self, path: Path, deadline_s: float) -> None:
        self.where = str(path)
        self._deadline_s = deadline_s
        decode = value_decoder()
        # Half of the deadline for SQLite's own waiting, so that a lock is told from a hung disk.
        self._threads = OffLoop(lambda: _Connection(path, deadline_s / 2, decode))

    async def read(self, user_id: str, merchant_id: str) -> Context:
        """As `Reader.read`."""
        return await self._threads.run(
            lambda connection: connection.read(user_id, merchant_id), self._deadline_s
        )

    async def close(self) -> None:
        """Ends the threads as they come free."""
        self._threads.close()


class _Connection:
    """One thread's connection; opened at the first reading and again for another file."""

    def __init__(self, path: Path, busy_s: float, decode: Decode) -> None:
        self._path = path
        self._busy_s = busy_s
        self._decode = decode
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._look_again_at = 0.0

    def read(self, user_id: str, merchant_id: str) -> Context:
        try:
            keys = {
                "user": entity_key("user_id", user_id),
                "merchant": entity_key("merchant_id", merchant_id),
            }
            written, *stored = self._connected().execute(_QUERY, keys).fetchone()
            context = dict(decoded_states(VIEWS, stored, self._decode))
        except FileNotFoundError as error:
            self.close()
            raise StoreFaultError("missing", str(error)) from error
        except Exception as error:
            # The next reading opens the file anew: the fault may have been in the connection.
            self.close()
            raise StoreFaultError(_kind(error), f"{type(error).__name__}: {error}") from error
        if written < len(VIEWS):
            raise StoreFaultError("missing", f"{len(VIEWS) - written} views are not written yet")
        return context

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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
