"""Rows of `landed_events`, from what was accepted and what was rejected."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from fraud_platform.clock import DAY_US, day_of
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.batches import Rejected

# Reasons are counted without the values in them.
_VALUE = re.compile(r"""'[^']*'|"[^"]*"|(?<!\w)-?\d\S*""")
_TRANSACTION = (
    "offset", "transaction_id", "timestamp_us", "user_id", "merchant_id", "device_id",
    "amount_cents",
)  # fmt: skip
_SCHEMA = pl.DataFrame(LANDED_EVENTS.schema.empty_table()).schema


def transaction_rows(accepted: pl.DataFrame) -> pl.DataFrame:
    """One row a transaction, filed under the day of its timestamp."""
    return accepted.select(
        *_TRANSACTION, kind=pl.lit("transaction"), event_date=_day("timestamp_us")
    )


def label_rows(accepted: pl.DataFrame, source: pl.Expr, maturity_days: int) -> pl.DataFrame:
    """One row a label, filed under the day from which it was known.

    `source` says who labelled. Without `labelled_at_us` a label is known when the transaction's
    maturity has passed.
    """
    matured = pl.col("timestamp_us") + maturity_days * DAY_US
    return (
        accepted.filter(pl.col("is_fraud").is_not_null())
        .with_columns(labelled_at_us=pl.coalesce("labelled_at_us", matured))
        .select(
            "offset",
            "transaction_id",
            "is_fraud",
            "labelled_at_us",
            kind=pl.lit("label"),
            event_date=_day("labelled_at_us"),
            label_source=source,
        )
    )


def reject_rows(rejected: Sequence[Rejected], now: int) -> pl.DataFrame:
    """One row a rejected record, filed under the day that it was landed."""
    return pl.DataFrame(
        {
            "offset": [record.offset for record in rejected],
            "reason": [record.reason for record in rejected],
            "raw": [record.raw for record in rejected],
        },
        schema={"offset": pl.Int64, "reason": pl.String, "raw": pl.Binary},
    ).with_columns(kind=pl.lit("rejected"), event_date=pl.lit(day_of(now)))


def landed_rows(parts: Iterable[pl.DataFrame], common: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The parts as rows of `landed_events`: `common` for all, null for what nobody says."""
    frame = pl.concat(parts, how="diagonal").with_columns(**common)
    missing = [
        pl.lit(None, kind).alias(name)
        for name, kind in _SCHEMA.items()
        if name not in frame.columns
    ]
    return frame.with_columns(missing).select(_SCHEMA.names())


def count_days(frame: pl.DataFrame) -> dict[date, int]:
    return dict(frame.group_by("event_date").len().iter_rows())


def count_reasons(reasons: Iterable[str]) -> Counter[str]:
    """How often each reason occurs, whatever the values that it names."""
    return Counter(_VALUE.sub("…", reason) for reason in reasons)


def now_us() -> int:
    return time.time_ns() // 1000


def _day(column: str) -> pl.Expr:
    return pl.from_epoch(pl.col(column), time_unit="us").dt.date()
