"""`predictflow ingest`: files into the lake."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from fraud_platform import progress
from fraud_platform.commands import console, dagster_run
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
            console.console.print(f"  {count:,} x {reason}")
    if any(one.rejected for one in landed):
        console.console.print("See them with: predictflow quarantine list")


def ingest(settings: Settings, files: Sequence[Path], fields: FieldMap) -> list[Landed]:
    """Lands the files, then records the days in Dagster's history as materialised."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    landed = [
        land(settings, Lake(settings.lake_dir), path, fields, progress.report) for path in files
    ]
    days = {day for one in landed for day in (*one.days, *one.label_days)}
    if days:
        _record(settings, landed)
    return landed


def _record(settings: Settings, landed: list[Landed]) -> None:
    import dagster as dg  # noqa: PLC0415 - a second to import

    from fraud_platform.defs.landed_events import landing_metadata, rows_by_day  # noqa: PLC0415

    days = sorted({day for one in landed for day in one.days})
    if not days:
        return
    rows = rows_by_day(Lake(settings.lake_dir), days[0], days[-1] + timedelta(days=1))
    metadata = landing_metadata(landed)
    with dagster_run.instance(settings) as on:
        for index, day in enumerate(days, 1):
            on.report_runless_asset_event(
                dg.AssetMaterialization(
                    "landed_events",
                    description="Landed by `predictflow ingest`.",
                    partition=day.isoformat(),
                    metadata={**metadata, **rows.get(day, {})},
                )
            )
            progress.report("record in Dagster", index, len(days))


def _document(landed: Landed) -> dict[str, object]:
    days = {day.isoformat(): count for day, count in sorted(landed.days.items())}
    return {**asdict(landed), "days": days, "label_days": len(landed.label_days)}
