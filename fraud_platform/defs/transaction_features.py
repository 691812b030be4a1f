"""`transaction_features`: one row per transaction, what could be known just before it."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from fraud_platform.contracts.quality import SHOWN, Outcome, Rule, check_frame
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.daily_tiles import daily_tiles
from fraud_platform.defs.feature_parts import parts_of
from fraud_platform.defs.label_tiles import label_tiles
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_habits import transaction_habits
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.quality import features_model
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.feature_days import FeatureDays
from fraud_platform.lake.files import rows_by_day

COMPLETE = Rule("one_row_per_transaction", "Each raw transaction has one row of features.")
DEFINED = Rule("values_defined", "Features are finite, and missing only where that is declared.")
_MODEL = features_model(CATALOGUE)


@dg.asset(
    deps=[
        dg.AssetDep(daily_tiles, partition_mapping=days_before(CATALOGUE.history_days)),
        dg.AssetDep(transaction_habits, partition_mapping=days_before(CATALOGUE.history_days)),
        dg.AssetDep(label_tiles, partition_mapping=days_before(CATALOGUE.label_history_days)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"deltalake", "duckdb", "pandera"},
    metadata=metadata.columns(TRANSACTION_FEATURES),
    check_specs=checks.specs("transaction_features", (COMPLETE, DEFINED)),
)
def transaction_features(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """The feature catalogue, point in time: events strictly before, labels known by the hour.

    A long range is committed part by part; a part that breaks a rule isn't written, and ends the
    run.
    """
    start, end = (moment.date() for moment in window(context))
    lake, outcomes, version = platform.lake, [], 0
    days = FeatureDays(lake, CATALOGUE)
    with checks.explained():
        for first, after in parts_of(context, days.parts(start, end), end):
            frame = days.features(first, after)
            expected = rows_by_day(lake, RAW_TRANSACTIONS, first, after)
            rows = dict(frame.group_by("event_date").len().iter_rows())
            part = [_complete(expected, rows), *check_frame(frame, _MODEL, (DEFINED,))]
            checks.enforce(context, part)
            version = lake.replace_days(TRANSACTION_FEATURES, first, after, frame)
            outcomes.append(part)
            metadata.describe_days(
                context, {day: {"dagster/row_count": n} for day, n in rows.items()}
            )
    return dg.MaterializeResult(
        metadata={"delta_version": version},
        check_results=checks.enforce(context, _merged(outcomes)),
    )


def _merged(parts: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """The outcomes of all parts, rule by rule."""
    return [
        Outcome(
            same[0].rule, sum(o.failing for o in same), [r for o in same for r in o.rows][:SHOWN]
        )
        for same in zip(*parts, strict=True)
    ]


def _complete(expected: dict[date, int], rows: dict[date, int]) -> Outcome:
    wrong = [
        {"event_date": str(day), "expected": expected.get(day, 0), "found": rows.get(day, 0)}
        for day in sorted({*expected, *rows})
        if expected.get(day) != rows.get(day)
    ]
    return Outcome(COMPLETE, len(wrong), wrong[:SHOWN])
