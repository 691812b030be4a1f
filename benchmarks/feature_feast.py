"""Feast's point-in-time join of rows that somebody else has computed already.

The set-up is the kindest one for Feast: its rows of users and merchants are there before the clock
starts, one for each day with any payment (ours: the daily tiles), as Parquet, already in the form
that it reads. It joins them to the payments of a day as they were known at midnight, and computes
no feature: nothing of the day itself, no label of the day, no ratio, no window.
"""

import time
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.features.tables import TILE_TABLES
from fraud_platform.lake.store import Lake

LEFT_OUT = "all computing: it joins the rows of the day before, made by others beforehand"

_TABLES = {"user": "user_tiles", "merchant": "merchant_tiles"}
_FOR_DAYS = 30


def join_by_feast(root: Path, folder: Path, day: date, share: int) -> dict[str, float]:
    """Joins the payments of one in `share` users on a day; rows and seconds."""
    from feast import (  # noqa: PLC0415
        Entity,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        RepoConfig,
        ValueType,
    )
    from feast.types import Int64, String  # noqa: PLC0415

    lake = Lake(root)
    payments = _of_users(lake.read(RAW_TRANSACTIONS, day, day + timedelta(days=1)), share)
    config = RepoConfig(
        project="peer",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    objects: list[Any] = []
    references = []
    for name, table in _TABLES.items():
        key, path = f"{name}_id", folder / f"{name}.parquet"
        figures = _write_rows(lake, table, key, day, share if name == "user" else 1, path)
        entity = Entity(name=name, join_keys=[key], value_type=ValueType.STRING)
        source = FileSource(name=name, path=str(path), timestamp_field="event_timestamp")
        schema = [Field(name=key, dtype=String), *(Field(name=f, dtype=Int64) for f in figures)]
        view = FeatureView(
            name=name,
            entities=[entity],
            ttl=timedelta(days=_FOR_DAYS),
            schema=schema,
            source=source,
        )
        objects += [entity, view]
        references += [f"{name}:{figure}" for figure in figures]
    store.apply(objects)
    asked = payments.select(
        "transaction_id",
        "user_id",
        "merchant_id",
        event_timestamp=pl.from_epoch("timestamp_us", time_unit="us").dt.replace_time_zone("UTC"),
    ).to_pandas()
    begun = time.perf_counter()
    joined = store.get_historical_features(asked, references, full_feature_names=True).to_arrow()
    return {"rows": joined.num_rows, "seconds": time.perf_counter() - begun}


def _of_users(frame: pl.DataFrame, share: int) -> pl.DataFrame:
    return frame.filter(pl.col("user_id").hash(1) % share == 0)


def _write_rows(lake: Lake, name: str, key: str, day: date, share: int, path: Path) -> list[str]:
    """Writes a row for each key and day, dated to the end of that day; the figures' names."""
    table = TILE_TABLES[name]
    kept = [n for n in table.schema.names if n not in ("event_date", "device_id")]
    tiles = lake.read(table, day - timedelta(days=_FOR_DAYS), day, columns=["event_date", *kept])
    tiles = tiles if share == 1 else _of_users(tiles, share)
    figures = [n for n in kept if n != key]
    end_of_day = (pl.col("event_date") + pl.duration(days=1)).cast(pl.Datetime("us"))
    tiles.group_by(key, "event_date").agg(pl.col(figures).sum()).select(
        key, end_of_day.dt.replace_time_zone(str(UTC)).alias("event_timestamp"), *figures
    ).write_parquet(path)
    return figures
