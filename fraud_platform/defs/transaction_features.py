"""`transaction_features`: one row per transaction, what could be known just before it."""

from datetime import date, timedelta

import dagster as dg
import polars as pl

from fraud_platform.contracts.quality import Outcome, Rule
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.features.catalogue import CATALOGUE, history_days, label_history_days
from fraud_platform.features.offline import compute_features
from fraud_platform.features.tables import TRANSACTION_FEATURES

# What the features of a day look back on; the online state looks back on the same.
HISTORY = [
    dg.AssetDep(raw_transactions, partition_mapping=days_before(history_days())),
    dg.AssetDep(transaction_labels, partition_mapping=days_before(label_history_days())),
]
COMPLETE = Rule("one_row_per_transaction", "Each raw transaction has one row of features.")
DEFINED = Rule("values_defined", "Features are finite, and missing only where that is declared.")


@dg.asset(
    deps=HISTORY,
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"deltalake", "duckdb"},
    metadata=metadata.columns(TRANSACTION_FEATURES),
    check_specs=checks.specs("transaction_features", (COMPLETE, DEFINED)),
)
def transaction_features(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """The feature catalogue, point in time: events strictly before, labels known by the hour."""
    start, end = (moment.date() for moment in window(context))
    lake = platform.lake
    frame = compute_features(
        lake.dataset(RAW_TRANSACTIONS, start - timedelta(days=history_days()), end),
        lake.dataset(TRANSACTION_LABELS, start - timedelta(days=label_history_days()), end),
        start,
        end,
    )
    expected = lake.count_by_day(RAW_TRANSACTIONS, start, end)
    rows = dict(frame.group_by("event_date").len().iter_rows())
    results = checks.enforce(context, [_complete(expected, rows), _defined(frame)])
    version = lake.replace_days(TRANSACTION_FEATURES, start, end, frame)
    metadata.describe_days(context, {day: {"dagster/row_count": n} for day, n in rows.items()})
    return dg.MaterializeResult(metadata={"delta_version": version}, check_results=results)


def _complete(expected: dict[date, int], rows: dict[date, int]) -> Outcome:
    wrong = [
        {"event_date": str(day), "expected": expected.get(day, 0), "found": rows.get(day, 0)}
        for day in sorted({*expected, *rows})
        if expected.get(day) != rows.get(day)
    ]
    return Outcome(COMPLETE, len(wrong), wrong[:20])


def _defined(frame: pl.DataFrame) -> Outcome:
    wrong: list[dict[str, object]] = []
    failing = 0
    for feature in CATALOGUE:
        value = pl.col(feature.name)
        undefined = ~value.is_finite()
        if feature.missing == "never missing":
            undefined = undefined | value.is_null()
        found = frame.filter(undefined.fill_null(value=False))
        failing += found.height
        wrong += [
            {"event_date": str(day), "transaction_id": key, "column": feature.name, "found": value}
            for day, key, value in found.select("event_date", "transaction_id", feature.name)
            .head(20)
            .iter_rows()
        ]
    return Outcome(DEFINED, failing, wrong[:20])
