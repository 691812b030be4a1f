"""The catalogue's SQL run over a range of days on DuckDB."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from fraud_platform.clock import day_start_us
from fraud_platform.contracts.tables import Table
from fraud_platform.features.look_back import LookBack
from fraud_platform.features.measures import Tiles
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql import (
    event_tiles_sql,
    features_sql,
    habits_sql,
    label_days_sql,
    label_tiles_sql,
    look_back_sql,
)


@dataclass(frozen=True)
class ParquetFiles:
    """Files of a table below folders that name the day of their rows (`event_date=2026-03-01`)."""

    table: Table
    paths: tuple[str, ...]


Rows = ds.Dataset | pa.Table | pl.DataFrame | ParquetFiles
Relations = Mapping[str, Rows]
"""Rows by the name of their relation; lake rows carry `event_date`, of which tiles get `day`."""


def compute_event_tiles(tiles: Tiles, transactions: Rows, start: date, end: date) -> pl.DataFrame:
    """Rows of a table of daily tiles for start <= day < end.

    `transactions` are raw ones, or with the columns of `compute_habits` for tiles of level 2.
    """
    return _run(event_tiles_sql(tiles), {"transactions": transactions}, start, end)


def compute_label_tiles(
    catalogue: Catalogue, tiles: Tiles, labels: Rows, transactions: Rows, start: date, end: date
) -> pl.DataFrame:
    """Rows of a table of hourly label tiles, filed by the day of the labels.

    `transactions` are those that the labels speak of, with the columns of `compute_habits`.
    """
    relations = {"labels": labels, "transactions": transactions}
    statement = label_tiles_sql(catalogue, tiles)
    return _run(statement, relations, start, end)


def compute_label_days(catalogue: Catalogue, tiles: Tiles, made: Rows) -> pl.DataFrame:
    """The rows of a table of hourly label tiles summed by day, filed as they are."""
    return _run(label_days_sql(catalogue, tiles), {tiles.name: made}, date.min, date.min)


def compute_look_back(
    look_back: LookBack, transactions: Rows, tiles: Rows, start: date, end: date
) -> pl.DataFrame:
    """What the tiles of the days before say of the users of the transactions, by day."""
    relations = {"transactions": transactions, look_back.tiles.name: tiles}
    return _run(look_back_sql(look_back, (end - start).days), relations, start, end)


def compute_habits(
    catalogue: Catalogue, relations: Relations, start: date, end: date
) -> pl.DataFrame:
    """The transactions with start <= day < end and the features of theirs that others look up.

    `relations` are `transactions`, with the day before, and the users' look-backs or, where those
    aren't made, the daily tiles.
    """
    return _run(habits_sql(catalogue, relations), relations, start, end)


def compute_features(
    catalogue: Catalogue, relations: Relations, start: date, end: date
) -> pl.DataFrame:
    """Feature rows of the transactions with start <= day < end.

    `relations` are `transactions` (as made by `compute_habits`, with the day before) and the tables
    of tiles, reaching back as far as the catalogue's windows; more history changes nothing. Sums
    that are among them already, such as look-backs and label days, aren't made again.
    """
    return _run(features_sql(catalogue, relations), relations, start, end)


def _run(statement: str, relations: Relations, start: date, end: date) -> pl.DataFrame:
    with _connected(relations, start, end) as connection:
        rows = connection.sql(statement).pl()
    if "event_date" in rows.columns:
        return rows
    if "timestamp_us" in rows.columns:
        day = pl.from_epoch(pl.col("timestamp_us"), time_unit="us").dt.date()
    else:
        day = pl.date(1970, 1, 1) + pl.duration(days=pl.col("day"))
    return rows.with_columns(day.alias("event_date"))


@contextmanager
def _connected(relations: Relations, start: date, end: date) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET produce_arrow_string_view = true")  # as Polars keeps text
        connection.execute(
            f"CREATE VIEW asked AS SELECT CAST({day_start_us(start)} AS BIGINT) AS start_us, "
            f"CAST({day_start_us(end)} AS BIGINT) AS end_us"
        )
        for name, rows in relations.items():
            source, names = _registered(connection, f"{name}_rows", rows)
            # Tiles carry their day as a number, which windows are counted in.
            numbered = "timestamp_us" in names or "day" in names
            columns = "*" if numbered else f"*, {_DAY_NUMBER} AS day"
            connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {source}")
        yield connection


_DAY_NUMBER = "CAST(event_date - DATE '1970-01-01' AS BIGINT)"


def _registered(
    connection: duckdb.DuckDBPyConnection, name: str, rows: Rows
) -> tuple[str, list[str]]:
    """What to select from, and its columns."""
    if not isinstance(rows, ParquetFiles):
        given = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows
        connection.register(name, given)
        return name, list(given.schema.names)
    names = list(rows.table.schema.names)
    if not rows.paths:
        connection.register(name, rows.table.schema.empty_table())
        return name, names
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in rows.paths)
    options = "hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true"
    return f"read_parquet([{paths}], {options})", names
