# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""Writing an online view: the snapshot for Feast's offline side, the rows for its online store."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.store import apply, feast_dir, opened
from feature_repo.views import feature_views, snapshot_path
from fraud_platform.clock import to_us
from fraud_platform.features.state import State, View
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

BATCH = 10_000
"""Rows in one SQLite transaction; smaller ones spend their time on commits."""

_AS_OF = b"as_of"

OnlineRow = tuple["EntityKey", dict[str, "Value"], datetime, None]
Progress = Callable[[int, int], object]


def write_view(
    settings: Settings,
    view: View,
    rows: Mapping[str, State],
    as_of: datetime,
    progress: Progress | None = None,
) -> None:
    """Writes the states of a view, by entity id, as they stand at `as_of` (with a time zone).

    The snapshot is written first and holds exactly these rows afterwards; in the online store they
    replace the rows of the same ids and leave the others. Writing again after a failure is
    harmless. `progress` is called after each batch with the rows written and the rows in all.
    Raises TypeError for a state that is not the view's, ValueError for an `as_of` without a zone.
    """
    to_us(as_of)
    for entity_id, state in rows.items():
        if type(state) is not view.state:
            raise TypeError(
                f"view {view.name}, {view.entity} {entity_id!r}: {type(state).__name__} is not "
                f"the view's state, {view.state.__name__}"
            )
    apply(settings)
    _write_snapshot(snapshot_path(feast_dir(settings), view), view, rows, as_of)
    _write_online(settings, view, rows, as_of, progress or (lambda _done, _total: None))


def written_as_of(settings: Settings, view: View) -> datetime | None:
    """The `as_of` of the last write to a view; None where the online store holds no row of it."""
    import pyarrow.parquet as pq

    path = snapshot_path(feast_dir(settings), view)
    if not path.exists() or not _has_rows(settings.online_store, view):
        return None
    metadata = pq.read_schema(path).metadata or {}
    return datetime.fromisoformat(metadata[_AS_OF].decode()) if _AS_OF in metadata else None


def _has_rows(online_store: Path, view: View) -> bool:
    if not online_store.exists():
        return False
    # Feast's own event_ts will not do for a moment: it depends on the machine's time zone.
    query = f'SELECT 1 FROM "{view.table}" LIMIT 1'  # noqa: S608 - a name of ours
    with closing(sqlite3.connect(f"{online_store.absolute().as_uri()}?mode=ro", uri=True)) as store:
        try:
            return store.execute(query).fetchone() is not None
        except sqlite3.OperationalError:  # the table is not there yet
            return False


def _write_snapshot(path: Path, view: View, rows: Mapping[str, State], as_of: datetime) -> None:
    import pyarrow.parquet as pq

    schema = _schema(view).with_metadata({_AS_OF: as_of.isoformat().encode()})
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(staging, schema) as writer:
            for batch in batched(rows.items(), BATCH):
                writer.write_table(_table(schema, view, batch, as_of))
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def _schema(view: View) -> "pa.Schema":
    import pyarrow as pa

    kinds = {"int64": pa.int64(), "int64_list": pa.list_(pa.int64())}
    return pa.schema(
        [
            pa.field(view.join_key, pa.string(), nullable=False),
            pa.field("event_timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
            *(pa.field(name, kinds[kind], nullable=False) for name, kind in view.fields.items()),
        ]
    )


def _table(
    schema: "pa.Schema", view: View, batch: tuple[tuple[str, State], ...], as_of: datetime
) -> "pa.Table":
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        view.join_key: [entity_id for entity_id, _ in batch],
        "event_timestamp": [as_of] * len(batch),
    }
    columns |= {name: [getattr(state, name) for _, state in batch] for name in view.fields}
    return pa.table(columns, schema=schema)


def _write_online(
    settings: Settings, view: View, rows: Mapping[str, State], as_of: datetime, progress: Progress
) -> None:
    table = feature_views(feast_dir(settings))[view.name]
    done = 0
    # Straight to the online store: Feast's way by data frames builds one only to take it apart.
    with opened(settings) as store:
        for batch in batched(_online_rows(view, rows, as_of), BATCH):
            store.provider.online_write_batch(store.config, table, list(batch), None)
            done += len(batch)
            progress(done, len(rows))


def _online_rows(view: View, rows: Mapping[str, State], as_of: datetime) -> Iterator[OnlineRow]:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Int64List, Value

    # Read off the struct once: it costs more than the rest of a row.
    fields, join_keys = tuple(view.fields.items()), [view.join_key]
    for entity_id, state in rows.items():
        values = {
            name: Value(int64_val=getattr(state, name))
            if kind == "int64"
            else Value(int64_list_val=Int64List(val=getattr(state, name)))
            for name, kind in fields
        }
        key = EntityKey(join_keys=join_keys, entity_values=[Value(string_val=entity_id)])
        yield key, values, as_of, None
