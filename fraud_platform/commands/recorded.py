"""What a command landed outside Dagster, told to Dagster's history."""

from collections.abc import Mapping, Set
from datetime import date
from typing import Any

from fraud_platform import progress
from fraud_platform.commands import dagster_run
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings


def record_landed(
    settings: Settings,
    lake: Lake,
    days: set[date],
    metadata: Mapping[str, Any],
    *,
    if_new: Set[date] = frozenset(),
) -> None:
    """Records `landed_events` of the days as materialised, and of `if_new` where it isn't yet.

    A run that was killed may have landed days that it didn't come to record: those are `if_new`.
    """
    import dagster as dg  # noqa: PLC0415 - a second to import

    from fraud_platform.defs.landed_events import rows_by_day  # noqa: PLC0415 - likewise

    with dagster_run.instance(settings) as on:
        key = dg.AssetKey("landed_events")
        recorded = on.get_materialized_partitions(key) if if_new else set()
        told = sorted(days | {day for day in if_new if day.isoformat() not in recorded})
        if not told:
            return
        rows = rows_by_day(lake, told)
        for index, day in enumerate(told, 1):
            on.report_runless_asset_event(
                dg.AssetMaterialization(
                    key,
                    description="Landed by `predictflow ingest`.",
                    partition=day.isoformat(),
                    metadata={**metadata, **rows[day]},
                )
            )
            progress.report("record in Dagster", index, len(told))
