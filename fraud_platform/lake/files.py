"""The Parquet files of a table's days, for engines that read them faster than by way of Arrow."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from fraud_platform.contracts.tables import Table
from fraud_platform.features.offline import ParquetFiles
from fraud_platform.lake.store import Lake


def day_files(lake: Lake, table: Table) -> pl.DataFrame:
    """One row a file: event_date, path (below the table's), rows, and per column its nulls.

    The nulls of a column that a file doesn't have are null themselves.
    """
    delta = lake.open(table)
    names = [name for name in table.schema.names if name != "event_date"]
    if delta is None:
        counts = dict.fromkeys(names, pl.Int64)
        return pl.DataFrame(
            schema={"event_date": pl.Date, "path": pl.String, "rows": pl.Int64, **counts}
        )
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    nulls = [
        (
            pl.col(f"null_count.{name}").cast(pl.Int64)
            if f"null_count.{name}" in files.columns
            else pl.lit(None, pl.Int64)
        ).alias(name)
        for name in names
    ]
    return files.select(
        pl.col("partition.event_date").alias("event_date"),
        "path",
        pl.col("num_records").cast(pl.Int64).alias("rows"),
        *nulls,
    ).filter(pl.col("rows") > 0)


def rows_by_day(lake: Lake, table: Table, start: date, end: date) -> dict[date, int]:
    """Rows a day with start <= day < end, from the table's log; days without rows are left out."""
    files = day_files(lake, table).filter(pl.col("event_date").is_between(start, end, "left"))
    return dict(
        files.group_by("event_date").agg(pl.col("rows").sum()).sort("event_date").iter_rows()
    )


def read_files(lake: Lake, table: Table, start: date, end: date) -> ParquetFiles | None:
    """The files of start <= day < end, or None where the lake isn't on a local disk."""
    if not isinstance(lake.root, Path):
        return None
    files = day_files(lake, table).filter(pl.col("event_date").is_between(start, end, "left"))
    root = lake.root / table.name
    return ParquetFiles(table, tuple(str(root / path) for path in files["path"]))


def chunks(rows: dict[date, int], start: date, end: date, most: int) -> Iterator[tuple[date, date]]:
    """The range cut where a further day would bring more than `most` rows; a day is never cut."""
    days = [date.fromordinal(n) for n in range(start.toordinal(), end.toordinal())]
    first, held = start, 0
    for day in days:
        if held and held + rows.get(day, 0) > most:
            yield first, day
            first, held = day, 0
        held += rows.get(day, 0)
    if first < end:
        yield first, end
