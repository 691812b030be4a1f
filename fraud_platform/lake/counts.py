"""Rows and files of each partition, read off a table's log: no data file is opened for them."""

from datetime import date

import polars as pl
from deltalake import DeltaTable

from fraud_platform.contracts.tables import LANDED_EVENTS, Table
from fraud_platform.lake.store import Lake


def partitions(delta: DeltaTable, table: Table) -> pl.DataFrame:
    """One row a file of the table: its partition's columns, `rows` and `bytes`.

    The row counts are the statistics that each writer leaves with a file; compaction keeps them.
    """
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    return files.select(
        *(pl.col(f"partition.{name}").alias(name) for name in table.partition_by),
        rows=pl.col("num_records").cast(pl.Int64),
        bytes=pl.col("size_bytes").cast(pl.Int64),
    )


def landed_counts(lake: Lake) -> dict[str, dict[date, int]]:
    """Landed rows by kind and day."""
    counts: dict[str, dict[date, int]] = {}
    delta = lake.open(LANDED_EVENTS)
    if delta is not None:
        files = partitions(delta, LANDED_EVENTS)
        summed = files.group_by("kind", "event_date").agg(pl.col("rows").sum()).sort("event_date")
        for kind, day, rows in summed.iter_rows():
            counts.setdefault(kind, {})[day] = rows
    return counts


def day_counts(lake: Lake, table: Table) -> dict[date, int]:
    """The rows of each day that a table has some of, in order."""
    delta = lake.open(table)
    if delta is None:
        return {}
    summed = partitions(delta, table).group_by("event_date").agg(pl.col("rows").sum())
    return dict(summed.filter(pl.col("rows") > 0).sort("event_date").iter_rows())


def days_with_rows(lake: Lake, table: Table) -> list[date]:
    """The days that a table has rows of, in order."""
    return list(day_counts(lake, table))
