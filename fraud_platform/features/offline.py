"""The catalogue compiled to SQL, and that SQL run over a range of days on DuckDB.

The text runs unchanged on other engines: time is BIGINT microseconds, windows are RANGE frames
that end one microsecond before the event (so equal timestamps never see each other), money is
summed as BIGINT cents and divided once.
"""

from collections.abc import Iterator
from datetime import date

import duckdb
import polars as pl
import polars.selectors as cs
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, HOUR_US, MICROSECONDS, day_start_us
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    LabelRate,
    Request,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.table import TRANSACTION_FEATURES

_DAY = f"(timestamp_us - timestamp_us % {DAY_US})"
_HOUR = f"(timestamp_us - timestamp_us % {HOUR_US})"
_AMOUNT = "CAST(amount_cents AS DOUBLE) / CAST(100 AS DOUBLE)"
_REQUEST = {
    "amount": _AMOUNT,
    "amount_log": f"LN(CAST(1 AS DOUBLE) + {_AMOUNT})",
    "hour_of_day": f"CAST(timestamp_us % {DAY_US} - timestamp_us % {HOUR_US} AS DOUBLE) "
    f"/ CAST({HOUR_US} AS DOUBLE)",
    # The epoch was a Thursday, day 3 of the week.
    "day_of_week": f"CAST(({_DAY} + {3 * DAY_US}) % {7 * DAY_US} AS DOUBLE) "
    f"/ CAST({DAY_US} AS DOUBLE)",
}


def compile_sql(catalogue: tuple[Feature, ...] = CATALOGUE) -> str:
    """SQL over the relations `transactions` and `labels`, with $start_us and $end_us.

    `transactions`: transaction_id, timestamp_us, user_id, merchant_id, device_id, amount_cents,
    with the history that the windows need. `labels`: merchant_id, user_id, labelled_at_us,
    is_fraud. Gives one row per transaction in [$start_us, $end_us).
    """
    rates = [f for f in catalogue if isinstance(f, LabelRate)]
    ctes = [cte for feature in rates for cte in _label_rate_ctes(feature)]
    columns = ",\n".join(f"  {_expression(feature)} AS {feature.name}" for feature in catalogue)
    looks_back = "".join(f",\n    {column}" for column in _look_backs(catalogue))
    joins = "".join(
        f"\nLEFT JOIN {f.name}_rates AS {f.name}_rates"
        f"\n  ON {f.name}_rates.{f.key} = event.{f.key} AND {f.name}_rates.hour_us = event.hour_us"
        for f in rates
    )
    ctes.append(
        f"event AS (\n  SELECT\n    *,\n    {_DAY} AS day_us,\n    {_HOUR} AS hour_us{looks_back}\n"
        "  FROM transactions\n)"
    )
    return (
        "WITH " + ",\n".join(ctes) + "\nSELECT\n  event.transaction_id, event.timestamp_us, "
        "event.user_id, event.merchant_id, event.amount_cents,\n"
        f"{columns}\nFROM event{joins}\n"
        "WHERE event.timestamp_us >= $start_us AND event.timestamp_us < $end_us"
    )


def _look_backs(catalogue: tuple[Feature, ...]) -> Iterator[str]:
    for feature in catalogue:
        match feature:
            case WindowAggregate(key=key, aggregate=aggregate, window_us=window):
                what = "COUNT(*)" if aggregate == "count" else "SUM(amount_cents)"
                yield f"{what} {_over(key, str(window))} AS {feature.name}_raw"
            case TimeSinceLast(key=key):
                yield f"MAX(timestamp_us) {_over(key, 'UNBOUNDED')} AS {feature.name}_raw"
            case FirstSeen(key=key, other=other):
                over = _over(f"{key}, {other}", "UNBOUNDED")
                yield f"MAX(timestamp_us) {over} AS {feature.name}_raw"


def _over(keys: str, preceding: str) -> str:
    return (
        f"OVER (PARTITION BY {keys} ORDER BY timestamp_us "
        f"RANGE BETWEEN {preceding} PRECEDING AND 1 PRECEDING)"
    )


def _expression(feature: Feature) -> str:
    raw = f"event.{feature.name}_raw"
    match feature:
        case Request(field=field):
            return _REQUEST[field]
        case WindowAggregate(aggregate="count"):
            return f"CAST({raw} AS DOUBLE)"
        case WindowAggregate(aggregate="sum"):
            return f"CAST(COALESCE({raw}, 0) AS DOUBLE) / CAST(100 AS DOUBLE)"
        case TimeSinceLast(days_us=days_us):
            return (
                f"CASE WHEN {raw} >= event.day_us - {days_us} "
                f"THEN CAST(event.timestamp_us - {raw} AS DOUBLE) "
                f"/ CAST({MICROSECONDS} AS DOUBLE) END"
            )
        case FirstSeen(other=other, days_us=days_us):
            return (
                f"CASE WHEN event.{other} IS NULL THEN NULL "
                f"WHEN {raw} >= event.day_us - {days_us} THEN CAST(0 AS DOUBLE) "
                "ELSE CAST(1 AS DOUBLE) END"
            )
        case LabelRate(prior_rate=rate, prior_weight=weight):
            table = f"{feature.name}_rates"
            return (
                f"(CAST(COALESCE({table}.frauds, 0) AS DOUBLE) + CAST({rate * weight!r} AS DOUBLE))"
                f" / (CAST(COALESCE({table}.labels, 0) AS DOUBLE) + CAST({weight!r} AS DOUBLE))"
            )
    raise TypeError(f"feature {feature.name}: no SQL for {type(feature).__name__}")


def _label_rate_ctes(feature: LabelRate) -> list[str]:
    """Labels known by the hour: known in hour h counts from the start of hour h + 1 on."""
    key, name = feature.key, feature.name
    known = f"labelled_at_us - labelled_at_us % {HOUR_US}"
    frame = (
        f"OVER (PARTITION BY {key} ORDER BY hour_us "
        f"RANGE BETWEEN {feature.window_us} PRECEDING AND {HOUR_US} PRECEDING)"
    )
    hours = f"""{name}_hours AS (
  SELECT {key}, hour_us, SUM(labels) AS labels, SUM(frauds) AS frauds
  FROM (
    SELECT {key}, {known} AS hour_us, 1 AS labels,
      CASE WHEN is_fraud THEN 1 ELSE 0 END AS frauds
    FROM labels WHERE {key} IS NOT NULL
    UNION ALL
    SELECT {key}, {_HOUR} AS hour_us, 0 AS labels, 0 AS frauds
    FROM transactions WHERE timestamp_us >= $start_us AND timestamp_us < $end_us
  ) AS points
  GROUP BY {key}, hour_us
)"""
    rates = f"""{name}_rates AS (
  SELECT {key}, hour_us,
    SUM(labels) {frame} AS labels,
    SUM(frauds) {frame} AS frauds
  FROM {name}_hours
)"""
    return [hours, rates]


def compute_features(
    transactions: ds.Dataset, labels: ds.Dataset, start: date, end: date
) -> pl.DataFrame:
    """Feature rows of the transactions with start <= day < end, in the lake table's columns.

    `transactions` must reach back `history_days()` before start, `labels` `label_history_days()`;
    more history changes nothing.
    """
    events = _frame(transactions, [*_IDENTITY, "device_id"])
    # Windows over numbers cost less than half of those over text: a key is its place among all
    # keys, a transaction its row, and the text comes back at the end.
    keys = pl.Categorical(pl.Categories.random())
    keyed = events.with_columns(pl.col("user_id", "merchant_id", "device_id").cast(keys))
    known = _frame(labels, ["merchant_id", "user_id", "labelled_at_us", "is_fraud"]).with_columns(
        pl.col("user_id", "merchant_id").cast(keys)
    )
    places = cs.categorical().to_physical()
    coded = keyed.with_columns(places, transaction_id=pl.int_range(pl.len(), dtype=pl.Int64))
    coded_labels = known.with_columns(places)
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        connection.register("transactions", coded.to_arrow())
        connection.register("labels", coded_labels.to_arrow())
        bounds = {"start_us": day_start_us(start), "end_us": day_start_us(end)}
        rows = connection.sql(compile_sql(), params=bounds).pl()
    day = pl.from_epoch(pl.col("timestamp_us"), time_unit="us").dt.date().alias("event_date")
    named = events.select(_IDENTITY)[rows["transaction_id"]].with_columns(day)
    return named.hstack(rows.drop(_IDENTITY)).select(TRANSACTION_FEATURES.schema.names)


_IDENTITY = ["transaction_id", "timestamp_us", "user_id", "merchant_id", "amount_cents"]


def _frame(rows: ds.Dataset, columns: list[str]) -> pl.DataFrame:
    frame = pl.from_arrow(rows.to_table(columns=columns))
    assert isinstance(frame, pl.DataFrame)
    return frame
