"""`predictflow ingest`: files into the lake."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pyarrow.dataset as ds

from fraud_platform import progress
from fraud_platform.commands import console
from fraud_platform.commands.recorded import record_landed
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
    from fraud_platform.defs.landing_metadata import landing_metadata  # noqa: PLC0415 - Dagster

    record_landed(settings, lake, days, landing_metadata(landed), if_new=before)


def _landed_before(lake: Lake, source_ids: list[str]) -> set[date]:
    """The days of transactions of sources of which an earlier run landed rows."""
    of_sources = ds.field("source_id").isin(source_ids) & (ds.field("kind") == "transaction")
    if not source_ids:
        return set()
    return set(lake.count_by_day(LANDED_EVENTS, date.min, date.max, where=of_sources))


def _document(landed: Landed) -> dict[str, object]:
    days = {day.isoformat(): count for day, count in sorted(landed.days.items())}
    return {**asdict(landed), "days": days, "label_days": len(landed.label_days)}
