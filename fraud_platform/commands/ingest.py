"""`predictflow ingest`: files into the lake."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pyarrow.dataset as ds

from fraud_platform import progress
from fraud_platform.commands import console, dagster_run
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.landing import Landed
from fraud_platform.ingest.mapping import FieldMap, parse_map
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings


def run_ingest(files: Sequence[Path], maps: Sequence[str], *, labels: bool, as_json: bool) -> None:
    fields = parse_map(maps, "labels" if labels else "transactions")
    settings = load_settings()
    with console.bars():
        landed = ingest(settings, files, fields)
    if as_json:
        console.emit({"files": [_document(one) for one in landed]})
        return
    console.table(
        "Landed",
        ("file", "transactions", "labels", "quarantined", "landed before", "days"),
        [
            (one.source, one.transactions, one.labels, one.rejected, one.skipped, len(one.days))
            for one in landed
        ],
    )
    for one in landed:
        for reason, count in one.reasons.most_common(5):
            console.console.print(f"  {count:,} x {reason}", markup=False)
    if any(one.rejected for one in landed):
        console.console.print("See them with: predictflow quarantine list")


def ingest(settings: Settings, files: Sequence[Path], fields: FieldMap) -> list[Landed]:
    """Lands the files, then records the days in Dagster's history as materialised."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lake = Lake(settings.lake_dir)
    landed: list[Landed] = []
    try:
        for path in files:
            one = land(settings, lake, path, fields, progress.report)
            landed.append(one)
    finally:
        _record(settings, lake, landed)
    return landed


def _record(settings: Settings, lake: Lake, landed: list[Landed]) -> None:
    days = {day for one in landed for day in one.days}
    before = _landed_before(lake, [one.source_id for one in landed if one.skipped])
    if not days and not before:
        return
    import dagster as dg  # noqa: PLC0415 - a second to import

    from fraud_platform.defs.landed_events import landing_metadata, rows_by_day  # noqa: PLC0415

    with dagster_run.instance(settings) as on:
        key = dg.AssetKey("landed_events")
        recorded = on.get_materialized_partitions(key) if before else set()
        # A run that was killed may have landed days that it didn't come to record.
        days = sorted(days | {day for day in before if day.isoformat() not in recorded})
        if not days:
            return
        rows = rows_by_day(lake, days[0], days[-1] + timedelta(days=1))
        metadata = landing_metadata(landed)
        for index, day in enumerate(days, 1):
            on.report_runless_asset_event(
                dg.AssetMaterialization(
                    key,
                    description="Landed by `predictflow ingest`.",
                    partition=day.isoformat(),
                    metadata={**metadata, **rows.get(day, {})},
                )
            )
            progress.report("record in Dagster", index, len(days))


def _landed_before(lake: Lake, source_ids: list[str]) -> set[date]:
    """The days of transactions of sources of which an earlier run landed rows."""
    of_sources = ds.field("source_id").isin(source_ids) & (ds.field("kind") == "transaction")
    if not source_ids:
        return set()
    return set(lake.count_by_day(LANDED_EVENTS, date.min, date.max, where=of_sources))


def _document(landed: Landed) -> dict[str, object]:
    days = {day.isoformat(): count for day, count in sorted(landed.days.items())}
    return {**asdict(landed), "days": days, "label_days": len(landed.label_days)}
