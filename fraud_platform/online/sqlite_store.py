"""The online store in Feast's SQLite file, for one machine.

Each call opens the file anew: that takes a fifth of a millisecond, and a file that was removed or
replaced meanwhile is noticed.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from copy import copy
from datetime import UTC, datetime
from itertools import batched, chain
from pathlib import Path
from typing import Literal, Self

from fraud_platform.clock import to_us
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.features.state import PROJECT, State, View
from fraud_platform.online.feast_format import entity_key, value_decoder
from fraud_platform.online.read_until import PARTITIONS, markers_of, read_until_us
from fraud_platform.online.rows import check_rows, decoded_states, row_encoder
from fraud_platform.online.store import Progress, by_entity, check_one_entity

MARKERS = f"{PROJECT}__written"
"""The table that says which views are there, and as of when; Feast does not know it."""

STREAM_MARKERS = f"SELECT view, as_of FROM \"{MARKERS}\" WHERE view LIKE '{PARTITIONS}%'"  # noqa: S608 - names of ours
"""The query for how far the stream was read."""

BATCH = 10_000
"""Rows in one transaction; smaller ones spend their time on commits."""

_IDS = 1_000
"""Entities in one query; SQLite takes 32,766 parameters."""

_BUSY_S = 30.0
"""How long another writer is waited for."""

# As Feast makes it, less an index that only repeats the primary key.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS {} (entity_key BLOB, feature_name TEXT, value BLOB, "
    "value_text TEXT, vector_value BLOB, event_ts timestamp, created_ts timestamp, "
    "PRIMARY KEY(entity_key, feature_name))"
)
_UPSERT = (
    "INSERT INTO {} (entity_key, feature_name, value, value_text, event_ts) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = excluded.value, "
    "value_text = excluded.value_text, event_ts = excluded.event_ts, created_ts = NULL"
)


class SqliteStore(AbstractContextManager["SqliteStore"]):
    """The `OnlineStore` in the file at `path`."""

    def __init__(self, path: Path, views: Sequence[View]) -> None:
        self._path = path
        self._views = by_entity(views)
        self._decode = value_decoder()
        self._held: sqlite3.Connection | None = None

    @contextmanager
    def locked(self) -> Iterator[Self]:
        """This store inside one write transaction: no other process writes until the block ends.

        What is written is there when it ends, or not at all where it raises. Raises
        UnavailableError where the file is not there, or another writer does not come to an end.
        """
        with self._open("writing", "rw") as connection:
            connection.execute("PRAGMA synchronous = NORMAL")  # as in _make_tables
            with _transaction(connection):
                inside = copy(self)
                inside._held = connection
                yield inside

    def write(
        self,
        view: View,
        rows: Mapping[str, State],
        as_of: datetime,
        progress: Progress | None = None,
        *,
        whole: bool = True,
    ) -> None:
        """As `OnlineStore.write`; the file and its tables are made where they are missing."""
        to_us(as_of)
        check_rows(view, rows)
        done = 0
        with self._open(f"writing {view.name}", "rwc") as connection:
            if self._held is None:
                self._make_tables(connection, view)
            upsert = _UPSERT.format(f'"{view.table}"')
            for batch in batched(_stored(view, rows, as_of), BATCH):
                with _transaction(connection):
                    connection.executemany(upsert, chain.from_iterable(batch))
                done += len(batch)
                if progress:
                    progress(done, len(rows))
            if whole:
                _mark(connection, view, as_of, bool(rows))

    def read(self, views: Sequence[View], ids: Sequence[str]) -> list[dict[str, State]]:
        """As `OnlineStore.read`; a file that is not there has no rows."""
        check_one_entity(views)
        return self._states([(views, ids)], len(ids))

    def contexts(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[dict[str, State]]:
        """As `OnlineStore.contexts`; a file that is not there has no rows."""
        users, merchants = self._views
        return self._states([(users, user_ids), (merchants, merchant_ids)], len(user_ids))

    def written_as_of(self, view: View) -> datetime | None:
        """As `OnlineStore.written_as_of`."""
        found = self._marker(view)
        return datetime.fromisoformat(found[0]) if found and found[0] else None

    def is_there(self, view: View) -> bool:
        """Whether the view was written whole, if only to say that nobody has a row."""
        return self._marker(view) is not None

    def mark_read(self, partitions: int, until_us: Mapping[int, int]) -> None:
        """As `OnlineStore.mark_read`."""
        query = f'INSERT OR REPLACE INTO "{MARKERS}" VALUES (?, ?)'  # noqa: S608 - a name of ours
        with self._open("noting how far the stream was read", "rw") as connection:
            connection.execute("PRAGMA synchronous = NORMAL")  # as in _make_tables
            with _transaction(connection):
                connection.executemany(query, list(markers_of(partitions, until_us).items()))

    def read_until_us(self) -> int | None:
        """As `OnlineStore.read_until_us`."""
        if not self._path.exists():
            return None
        with self._open("reading how far the stream was read") as connection:
            if MARKERS not in _tables(connection):
                return None
            return read_until_us(dict(connection.execute(STREAM_MARKERS)))

    def evicts(self) -> None:
        """A file is full when the disk is, and a write then fails."""

    def close(self) -> None:
        """Nothing is open between calls."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def _marker(self, view: View) -> tuple[str | None] | None:
        if not self._path.exists():
            return None
        query = f'SELECT as_of FROM "{MARKERS}" WHERE view = ?'  # noqa: S608 - a name of ours
        with self._open(f"reading {view.name}") as connection:
            if not {MARKERS, view.table} <= _tables(connection):
                return None
            return connection.execute(query, [view.name]).fetchone()

    @contextmanager
    def _open(
        self, doing: str, mode: Literal["ro", "rw", "rwc"] = "ro"
    ) -> Iterator[sqlite3.Connection]:
        if self._held is not None:
            yield self._held
            return
        if mode == "rwc":
            self._path.parent.mkdir(parents=True, exist_ok=True)
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as connection:
                yield connection
        except sqlite3.OperationalError as error:
            raise UnavailableError(
                f"online store {self._path}, {doing}: {error}; see that nothing else holds it and "
                "that its disk has room, then do it again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise PredictFlowError(
                f"online store {self._path}, {doing}: {error}; remove the file and have it made "
                "anew from the lake"
            ) from error

    def _make_tables(self, connection: sqlite3.Connection, view: View) -> None:
        # With a write-ahead log the service goes on reading while a batch is written.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is made anew
        with connection:
            # Readers ask for all views at once, so all tables are made.
            for table in {view.table, *(v.table for v in chain(*self._views))}:
                connection.execute(_TABLE.format(f'"{table}"'))
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{MARKERS}" (view TEXT PRIMARY KEY, as_of TEXT)'
            )

    def _states(
        self, asked: Sequence[tuple[Sequence[View], Sequence[str]]], count: int
    ) -> list[dict[str, State]]:
        if not self._path.exists():
            return [{view.name: view.empty for views, _ in asked for view in views}] * count
        views = [view for group, _ in asked for view in group]
        keys = [[entity_key(group[0].join_key, i) for i in ids] for group, ids in asked if group]
        found = []
        with self._open("reading") as connection:
            query = _query([group for group, _ in asked if group], _tables(connection))
            for chunk in batched(enumerate(zip(*keys, strict=True)), _IDS):
                numbered = [(number, *of_one) for number, of_one in chunk]
                slots = ", ".join([f"({', '.join('?' * len(numbered[0]))})"] * len(numbered))
                rows = connection.execute(query.format(slots), [*chain.from_iterable(numbered)])
                found += sorted(rows)
        return [dict(decoded_states(views, row[1:], self._decode)) for row in found]


def _stored(
    view: View, rows: Mapping[str, State], as_of: datetime
) -> Iterator[list[tuple[bytes, str, bytes, str | None, int]]]:
    encode = row_encoder(view)
    # What Feast's adapter makes of the naive UTC moment: it depends on the machine's time zone.
    event_ts = int(as_of.astimezone(UTC).replace(tzinfo=None).timestamp())
    fields = [(name, kind == "int64") for name, kind in view.fields.items()]
    for entity_id, state in rows.items():
        key = entity_key(view.join_key, entity_id)
        yield [
            (key, name, raw, str(state[name]) if scalar else None, event_ts)
            for (name, scalar), raw in zip(fields, encode(entity_id, state), strict=True)
        ]


def _mark(connection: sqlite3.Connection, view: View, as_of: datetime, rows: bool) -> None:
    """Records a whole write; one without rows is no moment of its own, but the view is there."""
    with _transaction(connection):
        connection.execute(f'INSERT OR IGNORE INTO "{MARKERS}" VALUES (?, NULL)', [view.name])  # noqa: S608
        among = "" if rows else "AND as_of IS NOT NULL"
        connection.execute(
            f'UPDATE "{MARKERS}" SET as_of = ? WHERE view = ? {among}',  # noqa: S608 - ours
            [as_of.isoformat(), view.name],
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction of its own, or a part of the one that is under way."""
    if connection.in_transaction:
        yield
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _query(groups: Sequence[Sequence[View]], tables: set[str]) -> str:
    columns = [
        f'(SELECT value FROM "{view.table}" '  # noqa: S608 - names of ours
        f"WHERE entity_key = key{i} AND feature_name = '{name}')"
        if view.table in tables
        else "NULL"
        for i, views in enumerate(groups)
        for view in views
        for name in view.fields
    ]
    keys = ", ".join(f"key{i}" for i in range(len(groups)))
    return (
        f"WITH asked(number, {keys}) AS (VALUES {{}}) SELECT number, {', '.join(columns)} "  # noqa: S608
        "FROM asked"
    )
