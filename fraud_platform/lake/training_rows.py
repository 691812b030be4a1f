"""Feature rows of a window beside the labels that were known at the end of a day, and how often
each counts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, day_start_us, days_between
from fraud_platform.contracts.tables import PREDICTION_LOG, TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.days import latest_labels
from fraud_platform.lake.store import Lake
from fraud_platform.propensity import DRAWN, transaction_weights

READ = (TRANSACTION_FEATURES, TRANSACTION_LABELS, PREDICTION_LOG)
_KEY = ["transaction_id", "timestamp_us"]


def feature_rows(lake: Lake, versions: Mapping[str, int], day: date) -> pl.DataFrame:
    """The feature rows of a day at the version that is named, or the newest."""
    return lake.read(
        TRANSACTION_FEATURES,
        day,
        day + timedelta(days=1),
        version=versions.get(TRANSACTION_FEATURES.name),
    )


def labelled_days(
    lake: Lake,
    start: date,
    end: date,
    known_by: date,
    versions: Mapping[str, int],
    features: Callable[[date], pl.DataFrame] | None = None,
) -> Iterator[tuple[date, pl.DataFrame]]:
    """Each day with start <= day < end, its feature rows, and `is_fraud` as known at `known_by`'s
    end.

    Of a transaction labelled more than once the last verdict counts; `is_fraud` is null where none
    was known. Where some of the window's would-be blocks were let pass at random, there are also
    `weight` and `over_limit` as in `propensity.transaction_weights`, 1 and false of transactions
    that nothing was drawn for. `versions` are the Delta versions to read, by table, so that a
    report made later sees the rows that training saw. All labels of the window are held, of the
    features one day. `features` gives a day's feature rows to who reads windows that overlap, and
    keeps some.
    """
    features = features or partial(feature_rows, lake, versions)
    verdicts = _verdicts(lake, start, end, known_by, versions.get(TRANSACTION_LABELS.name))
    weights = _weights(lake, start, end, known_by, versions.get(PREDICTION_LOG.name))
    for day in days_between(start, end):
        of_day = verdicts.filter(pl.col("event_date") == day)
        known = latest_labels(of_day).select(*_KEY, "is_fraud")
        rows = features(day).join(known, on=_KEY, how="left")
        yield day, rows if weights.is_empty() else _weighed(rows, weights)


def _verdicts(
    lake: Lake, start: date, end: date, known_by: date, version: int | None
) -> pl.DataFrame:
    """What was said by `known_by` of transactions of the days; `event_date` is theirs."""
    found = lake.dataset(
        TRANSACTION_LABELS,
        start,
        known_by + timedelta(days=1),
        where=_of_days(start, end),
        version=version,
    )
    return _by_own_day(found, [*_KEY, "labelled_at_us", "is_fraud"])


def _weights(
    lake: Lake, start: date, end: date, known_by: date, version: int | None
) -> pl.DataFrame:
    """The weights of the days' transactions that were drawn, or over a limit of the draw."""
    drawn = (ds.field("propensity") < 1) | (ds.field("amount_cents") > ds.field("pass_limit_cents"))
    found = lake.dataset(
        PREDICTION_LOG,
        start - timedelta(days=1),  # a payment's clock may be ahead of its decision
        known_by + timedelta(days=1),
        where=_of_days(start, end) & drawn,
        version=version,
    )
    return transaction_weights(_by_own_day(found, [*_KEY, *DRAWN]))


def _weighed(rows: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    # A caller may leave the time to the service, so it isn't a part of the key.
    key = ["transaction_id", "event_date"]
    found = rows.join(weights, on=key, how="left", maintain_order="left")
    decided = pl.col("over_limit").is_not_null()
    return found.with_columns(
        weight=pl.when(decided).then(pl.col("weight")).otherwise(1.0),
        over_limit=pl.col("over_limit").fill_null(value=False),
    )


def _of_days(start: date, end: date) -> ds.Expression:
    timestamp = ds.field("timestamp_us")
    return (timestamp >= day_start_us(start)) & (timestamp < day_start_us(end))


def _by_own_day(found: ds.Dataset, columns: list[str]) -> pl.DataFrame:
    """The rows' columns, and `event_date`: the day of the transaction."""
    frame = pl.from_arrow(found.to_table(columns=columns))
    assert isinstance(frame, pl.DataFrame)
    day = (pl.col("timestamp_us") // DAY_US).cast(pl.Int32).cast(pl.Date)
    return frame.with_columns(event_date=day)
