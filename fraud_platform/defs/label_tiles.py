"""`label_tiles`: what became known of each merchant, hour by hour, in sums that merge."""

from collections import Counter

import dagster as dg

from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.feature_parts import parts_of, write_tiles
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_habits import transaction_habits
from fraud_platform.defs.transaction_labels import LOOKBACK_DAYS, transaction_labels
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.feature_days import FeatureDays


@dg.asset(
    deps=[
        transaction_labels,
        dg.AssetDep(transaction_habits, partition_mapping=days_before(LOOKBACK_DAYS)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"deltalake", "duckdb"},
)
def label_tiles(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Labels and frauds by key and hour, apart for payments that were usual for their user."""
    start, end = (moment.date() for moment in window(context))
    days = FeatureDays(platform.lake, CATALOGUE)
    rows: Counter[str] = Counter()
    with checks.explained():
        for first, after in parts_of(context, days.parts(start, end, TRANSACTION_LABELS), end):
            rows += write_tiles(platform.lake, first, after, days.label_tiles(first, after))
    return dg.MaterializeResult(metadata=dict(rows))
