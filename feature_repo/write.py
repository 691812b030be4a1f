# ruff: noqa: PLC0415 - Arrow takes a while to import, so functions import it themselves
"""Writing an online view: the snapshot for Feast's offline side, the rows for its online store."""

import os
from collections.abc import Mapping
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.store import apply, feast_dir
from feature_repo.views import snapshot_path
from fraud_platform.clock import to_us
from fraud_platform.features.state import State, View
from fraud_platform.online import Progress, open_store
from fraud_platform.online.rows import check_rows
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000
"""Rows in one row group of a snapshot."""


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
    Raises ValueError for a state that is not the view's and for an `as_of` without a zone, and what
    `OnlineStore.write` raises.
    """
    to_us(as_of)
    check_rows(view, rows)
    apply(settings)
    _write_snapshot(snapshot_path(feast_dir(settings), view), view, rows, as_of)
    with open_store(settings) as store:
        store.write(view, rows, as_of, progress)


def written_as_of(settings: Settings, view: View) -> datetime | None:
    """The `as_of` of the last write to a view; None where the online store holds no row of it."""
    with open_store(settings) as store:
        return store.written_as_of(view)


def _write_snapshot(path: Path, view: View, rows: Mapping[str, State], as_of: datetime) -> None:
    import pyarrow.parquet as pq

    schema = _schema(view)
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

    kinds = {
        "int64": pa.int64(),
        "int64_list": pa.list_(pa.int64()),
        "float64_list": pa.list_(pa.float64()),
    }
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
    columns |= {name: [state[name] for _, state in batch] for name in view.fields}
    return pa.table(columns, schema=schema)
