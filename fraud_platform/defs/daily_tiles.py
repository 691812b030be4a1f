"""`daily_tiles`: what each user and merchant did on a day, in sums that merge."""

from collections import Counter

import dagster as dg

from fraud_platform.defs import checks, metadata
from fraud_platform.defs.feature_parts import parts_of, write_tiles
from fraud_platform.defs.partitions import daily, one_run, retry, window
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.feature_days import FeatureDays


@dg.asset(
    deps=[raw_transactions],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"deltalake", "duckdb"},
)
def daily_tiles(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Counts, sums and extremes by user and merchant: windows over days are sums of these."""
    start, end = (moment.date() for moment in window(context))
    days = FeatureDays(platform.lake, CATALOGUE)
    rows: Counter[str] = Counter()
    with checks.explained():
        for first, after in parts_of(context, days.parts(start, end), end):
            rows += write_tiles(platform.lake, first, after, days.daily_tiles(first, after))
    return dg.MaterializeResult(metadata=dict(rows))
