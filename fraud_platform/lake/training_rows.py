"""Feature rows of a window beside the labels that were known at the end of a day."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, day_start_us, days_between
from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.days import latest_labels
from fraud_platform.lake.store import Lake

READ = (TRANSACTION_FEATURES, TRANSACTION_LABELS)
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
    was known. `versions` are the Delta versions to read, by table, so that a report made later
    sees the rows that training saw. All labels of the window are held, of the features one day.
    `features` gives a day's feature rows to who reads windows that overlap, and keeps some.
    """
    features = features or partial(feature_rows, lake, versions)
    verdicts = _verdicts(lake, start, end, known_by, versions.get(TRANSACTION_LABELS.name))
    for day in days_between(start, end):
        of_day = verdicts.filter(pl.col("event_date") == day)
        known = latest_labels(of_day).select(*_KEY, "is_fraud")
        yield day, features(day).join(known, on=_KEY, how="left")


def _verdicts(
    lake: Lake, start: date, end: date, known_by: date, version: int | None
) -> pl.DataFrame:
    """What was said by `known_by` of transactions of the days; `event_date` is theirs."""
    timestamp = ds.field("timestamp_us")
    found = lake.dataset(
        TRANSACTION_LABELS,
        start,
        known_by + timedelta(days=1),
        where=(timestamp >= day_start_us(start)) & (timestamp < day_start_us(end)),
        version=version,
    ).to_table(columns=[*_KEY, "labelled_at_us", "is_fraud"])
    frame = pl.from_arrow(found)
    assert isinstance(frame, pl.DataFrame)
    day = (pl.col("timestamp_us") // DAY_US).cast(pl.Int32).cast(pl.Date)
    return frame.with_columns(event_date=day)
