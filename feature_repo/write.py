"""Writing an online view: the snapshot for Feast's offline side, the rows for its online store."""

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.store import apply, feast_dir
from feature_repo.views import snapshot_path
from fraud_platform.clock import to_us
from fraud_platform.features.snapshot import FrameStates
from fraud_platform.features.state import VIEWS, View
from fraud_platform.online import Progress, open_store
from fraud_platform.online.sqlite_store import SqliteStore
from fraud_platform.settings import Settings
from fraud_platform.stream.recorded import RecordedEvents


def write_view(
    settings: Settings,
    view: View,
    rows: pl.DataFrame,
    as_of: datetime,
    progress: Progress | None = None,
) -> None:
    """Writes a view whole, as it stands at `as_of` (with a time zone).

    `rows` has the view's join key and fields. The snapshot is written first and holds exactly these
    rows afterwards; in the online store they replace the rows of the same ids and leave the others.
    Events that the service recorded (online.recent_by) stay in the rows of `user_recent`. Writing
    again after a failure is harmless. `progress` is called with the rows written and the
    rows in all. Raises ValueError for rows that lack a column, and what `OnlineStore.write` raises.
    """
    to_us(as_of)
    lacking = [name for name in (view.join_key, *view.fields) if name not in rows.columns]
    if lacking:
        raise ValueError(
            f"view {view.name}: the rows lack {', '.join(lacking)}; give join key and all fields"
        )
    apply(settings)
    _write_snapshot(snapshot_path(feast_dir(settings), view), view, rows, as_of)
    states = FrameStates(view, rows)
    if view.name == "user_recent" and settings.online.recent_by == "serving":
        recorded = RecordedEvents(SqliteStore(settings.online_store, VIEWS))
        recorded.write_lake(states, as_of, progress)
        return
    with open_store(settings) as store:
        store.write(view, states, as_of, progress)


def written_as_of(settings: Settings, view: View) -> datetime | None:
    """The `as_of` of the last write to a view; None where the online store holds no row of it."""
    with open_store(settings) as store:
        return store.written_as_of(view)


def _write_snapshot(path: Path, view: View, rows: pl.DataFrame, as_of: datetime) -> None:
    stamped = rows.select(
        view.join_key,
        pl.lit(as_of.astimezone(UTC)).cast(pl.Datetime("us", "UTC")).alias("event_timestamp"),
        *view.fields,
    )
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        stamped.write_parquet(staging)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
