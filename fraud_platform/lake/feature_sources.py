"""All that a transaction's features can come from, read from the lake as it is."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import day_of
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.declarations import Key
from fraud_platform.features.declared import key_of
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.sources import Label, Payment, Sources
from fraud_platform.features.tables import habits_table, tile_table
from fraud_platform.lake.store import Lake

_ONE_DAY = timedelta(days=1)


def read_sources(lake: Lake, catalogue: Catalogue, row: dict[str, Any]) -> Sources:
    """What a row of `transaction_features` is explained from, without the compilers."""
    day = row["event_date"]
    keys = {key_of(feature) for feature in catalogue}
    own = lake.read(RAW_TRANSACTIONS, day, day + _ONE_DAY, where=_is(row, "transaction_id"))
    payment = _payment(own.row(0, named=True) if own.height else row)
    start = day - timedelta(days=catalogue.history_days)
    payments: dict[Key, list[Payment]] = {key: [] for key in KEYS}
    tiles: dict[Key, dict[date, int]] = {key: {} for key in KEYS}
    labels: dict[Key, list[Label]] = {key: [] for key in KEYS}
    for key in KEYS:
        if key not in keys:
            continue
        mine = _is(row, key)
        raw = lake.read(RAW_TRANSACTIONS, start, day + _ONE_DAY, where=mine)
        raw = _with_habits(lake, catalogue, raw.sort("timestamp_us"), mine)
        payments[key] = [_payment(row, catalogue.looked_back) for row in raw.iter_rows(named=True)]
        if table := catalogue.event_tiles(key, 1):
            found = lake.read(
                tile_table(table), start, day, columns=["event_date", "n"], where=mine
            )
            tiles[key] = dict(found.group_by("event_date").agg(pl.col("n").sum()).iter_rows())
        if catalogue.label_tiles(key):
            since = day - timedelta(days=catalogue.label_history_days)
            known = lake.read(TRANSACTION_LABELS, since, day + _ONE_DAY, where=mine)
            known = _with_habits(lake, catalogue, known, mine)
            labels[key] = [
                _label(row, catalogue.looked_back) for row in known.iter_rows(named=True)
            ]
    stored = {name: row[name] for name in catalogue.names}
    return Sources(payment, stored, payments, labels, tiles)


def _is(row: dict[str, Any], name: str) -> ds.Expression:
    return ds.field(name) == row[name]


def _with_habits(
    lake: Lake, catalogue: Catalogue, rows: pl.DataFrame, where: ds.Expression
) -> pl.DataFrame:
    """Rows of transactions with what others look up of them."""
    identity = ["transaction_id", "timestamp_us"]
    names = list(catalogue.looked_back)
    times = rows["timestamp_us"].drop_nulls().to_list()
    if not names or not times:
        return rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
    first, end = day_of(min(times)), day_of(max(times)) + _ONE_DAY
    habits = lake.read(
        habits_table(catalogue), first, end, columns=[*identity, *names], where=where
    )
    return rows.join(habits, on=identity, how="left", maintain_order="left").with_columns(
        pl.col(names).fill_nan(None)
    )


def _payment(row: dict[str, Any], looked_back: tuple[str, ...] = ()) -> Payment:
    own = {name: row[name] for name in Payment.__struct_fields__ if name in row}
    return Payment(**own, was={name: row[name] for name in looked_back})


def _label(row: dict[str, Any], looked_back: tuple[str, ...]) -> Label:
    return Label(
        payment=_payment(row, looked_back),
        labelled_at_us=row["labelled_at_us"],
        is_fraud=row["is_fraud"],
    )
