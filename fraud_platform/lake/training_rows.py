"""Feature rows of a window beside the labels that were known at the end of a day."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.days import latest_labels
from fraud_platform.lake.store import Lake

READ = (TRANSACTION_FEATURES, TRANSACTION_LABELS)


def labelled_rows(
    lake: Lake, start: date, end: date, known_by: date, versions: Mapping[str, int]
) -> pl.DataFrame:
    """Feature rows with start <= event_date < end, and `is_fraud` as known at `known_by`'s end.

    Of a transaction labelled more than once the last verdict counts; `is_fraud` is null where none
    was known. `versions` are the Delta versions to read, by table, so that a report made later
    sees the rows that training saw.
    """
    features = lake.read(
        TRANSACTION_FEATURES, start, end, version=versions.get(TRANSACTION_FEATURES.name)
    )
    labels = lake.read(
        TRANSACTION_LABELS,
        start,
        known_by + timedelta(days=1),
        columns=["transaction_id", "timestamp_us", "labelled_at_us", "is_fraud"],
        where=ds.field("timestamp_us").is_valid(),
        version=versions.get(TRANSACTION_LABELS.name),
    )
    return features.join(
        latest_labels(labels).select("transaction_id", "timestamp_us", "is_fraud"),
        on=["transaction_id", "timestamp_us"],
        how="left",
    )
