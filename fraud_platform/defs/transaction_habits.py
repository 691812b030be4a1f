"""`transaction_habits`: each payment against its user's habit, as it was then."""

from collections import Counter

import dagster as dg

from fraud_platform.defs import checks, metadata
from fraud_platform.defs.daily_tiles import daily_tiles
from fraud_platform.defs.feature_parts import parts_of, write_look_backs, write_tiles
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.tables import TRANSACTION_HABITS
from fraud_platform.lake.feature_days import FeatureDays


@dg.asset(
    deps=[
        dg.AssetDep(raw_transactions, partition_mapping=days_before(1)),
        dg.AssetDep(daily_tiles, partition_mapping=days_before(CATALOGUE.history_days)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"deltalake", "duckdb"},
    metadata=metadata.columns(TRANSACTION_HABITS),
)
def transaction_habits(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """The transactions with those features that other features and labels look back on.

    A feature of the second level, such as "payments of the last 14 days that were large for this
    user", asks what an earlier payment was at its own time; that is kept here, and its sums by day
    in tiles of their own.
    """
    start, end = (moment.date() for moment in window(context))
    days, lake = FeatureDays(platform.lake, CATALOGUE), platform.lake
    rows: Counter[str] = Counter()
    with checks.explained():
        for first, after in parts_of(context, days.parts(start, end), end):
            past = days.look_backs(first, after)
            habits = days.habits(first, after, past)
            tiles = days.habit_tiles(habits, first, after)
            rows += write_look_backs(lake, first, after, past)
            lake.replace_days(TRANSACTION_HABITS, first, after, habits)
            rows += write_tiles(lake, first, after, tiles)
            rows["dagster/row_count"] += habits.height
    return dg.MaterializeResult(metadata=dict(rows))
