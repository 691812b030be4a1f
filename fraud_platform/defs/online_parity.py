"""The check of `transaction_features` that what is served is what is trained on."""

import dagster as dg

from fraud_platform.commands.parity import parity
from fraud_platform.defs import checks
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.counts import days_with_rows

SAMPLE = 2_000
"""Users of the newest day whose payments are replayed."""


@dg.asset_check(
    asset=transaction_features,
    name="online_parity",
    description=f"The newest day's payments of up to {SAMPLE:,} users, replayed through the online "
    "path, give the same bits.",
)
def online_parity(platform: Platform) -> dg.AssetCheckResult:
    """Whether a replay of the newest day gives the lake's bits; `predictflow parity` does all."""
    days = days_with_rows(platform.lake, TRANSACTION_FEATURES)
    if not days:
        return dg.AssetCheckResult(passed=True, metadata={"vectors": 0})
    with checks.explained():
        found = parity(platform.settings, days[-1], sample=SAMPLE)
    return dg.AssetCheckResult(
        passed=found.differing == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "day": days[-1].isoformat(),
            "vectors": found.vectors,
            "features": len(found.features),
            "differing": found.differing,
            "by_feature": found.by_feature,
            "first": dg.MetadataValue.json(found.first),
        },
    )
