"""The online state of a request's user and merchant, read from Feast's SQLite store.

Whatever is wrong with the store, a request is answered: with an empty state, and a fault that says
why.
"""

import logging
import sqlite3
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from fraud_platform.features.online import Context
from fraud_platform.features.state import VIEWS, Kind, State, View
from fraud_platform.online.feast_format import Decode, entity_key, value_decoder
from serving.off_loop import BusyError, OffLoop

logger = logging.getLogger("predictflow.serving")

FaultKind = Literal["missing", "locked", "unreadable", "late", "busy"]

_TEXTS: dict[FaultKind, str] = {
    "missing": "the online store is not there",
    "locked": "the online store is locked by a writer",
    "unreadable": "the online store cannot be read",
    "late": "the online store did not answer in time",
    "busy": "all readers of the online store are held up",
}

RECHECK_S = 0.2
"""Seconds between two looks at whether the file was replaced or is gone."""

_QUIET_S = 5.0
"""Seconds between two lines about the store, so that one on the edge does not fill the log."""

_COLUMNS: list[tuple[View, str, Kind]] = [
    (view, name, kind) for view in VIEWS for name, kind in view.fields.items()
]


def _value_sql(view: View, name: str) -> str:
    where = f"entity_key = :{view.entity} AND feature_name = '{name}'"
    return f'(SELECT value FROM "{view.table}" WHERE {where})'  # noqa: S608 - names of ours


# One row, not one for each value: SQLite gives the interpreter's lock away at each row, and under
# load it is up to 5 ms before it has it back.
_QUERY = "SELECT " + ", ".join(_value_sql(view, name) for view, name, _ in _COLUMNS)


class Reading(msgspec.Struct, frozen=True):
    """What the store says of a user and a merchant; empty with a fault where it says nothing."""

    context: Context
    fault: FaultKind | None = None

    @property
    def reason(self) -> str | None:
        """The fault in words for the caller, without a path."""
        return None if self.fault is None else f"{_TEXTS[self.fault]}; scored without history"


class _StoreError(Exception):
    def __init__(self, kind: FaultKind, cause: str) -> None:
        super().__init__(cause)
        self.kind: FaultKind = kind


class OnlineStore:
    """The reader of the online store at `path`, with a deadline in seconds for each reading."""

    def __init__(self, path: Path, deadline_s: float = 0.020) -> None:
        self._path = path
        self._deadline_s = deadline_s
        decode = value_decoder()
        # Half of the deadline for SQLite's own waiting, so that a lock is told from a hung disk.
        self._readers = OffLoop(lambda: _Reader(path, deadline_s / 2, decode))
        self._known_fault: FaultKind | None = None
        self._quiet_until = 0.0

    async def read(self, user_id: str, merchant_id: str) -> Reading:
        """The state of a user and a merchant, at the latest at the deadline; raises nothing."""
        cause = ""
        try:
            context = await self._readers.run(
                lambda reader: reader.read(user_id, merchant_id), self._deadline_s
            )
            reading = Reading(context)
        except TimeoutError:
            reading = Reading(Context(), "late")
        except BusyError:
            reading = Reading(Context(), "busy")
        except _StoreError as error:
            reading, cause = Reading(Context(), error.kind), str(error)
        self._log_change(reading.fault, cause)
        return reading

    def close(self) -> None:
        """Ends the reader threads as they come free."""
        self._readers.close()

    def _log_change(self, fault: FaultKind | None, cause: str) -> None:
        now = time.monotonic()
        if fault == self._known_fault or now < self._quiet_until:
            return
        self._known_fault, self._quiet_until = fault, now + _QUIET_S
        fields = {"path": str(self._path), "fault": fault, "cause": cause}
        if fault is None:
            logger.info("online_store_back", extra={"fields": fields})
        else:
            logger.warning("online_store_fault", extra={"fields": fields})


class _Reader:
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
            row = self._connected().execute(_QUERY, keys).fetchone()
            return _context(row, self._decode)
        except FileNotFoundError as error:
            self.close()
            raise _StoreError("missing", str(error)) from error
        except Exception as error:
            # The next reading opens the file anew: the fault may have been in the connection.
            self.close()
            raise _StoreError(_kind(error), f"{type(error).__name__}: {error}") from error

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


def _context(row: tuple[bytes | None, ...], decode: Decode) -> Context:
    """The states in a row of stored values; raises ValueError where they don't fit together."""
    values: dict[str, dict[str, Any]] = {view.name: {} for view in VIEWS}
    for (view, name, kind), raw in zip(_COLUMNS, row, strict=True):
        if raw is not None:
            values[view.name][name] = decode(raw, kind)
    states: dict[str, Any] = {view.name: _state(view, values[view.name]) for view in VIEWS}
    return Context(**states)


def _state(view: View, values: dict[str, Any]) -> State:
    state = view.state(**values)
    lengths = {len(value) for value in msgspec.structs.astuple(state) if isinstance(value, list)}
    if len(lengths) > 1:
        raise ValueError(f"view {view.name}: its lists have lengths {sorted(lengths)}")
    return state
