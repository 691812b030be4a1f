"""`landed_events`: what arrived, as it arrived, with the position that it was read from."""

from datetime import date

import dagster as dg
import pyarrow.dataset as ds

from fraud_platform import progress
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.ingest.inbox import land_inbox
from fraud_platform.ingest.landing import Landed
from fraud_platform.lake.store import Lake


@dg.asset(
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="ingestion",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake", "polars"},
    metadata=metadata.columns(LANDED_EVENTS),
)
def landed_events(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Transactions, labels and rejected records, each landed exactly once.

    Lands whatever waits in the inbox, of any day, and reports the rows that are there for this
    partition's days. A rejected record is kept with its reason and raw bytes.
    """
    start, end = (moment.date() for moment in window(context))
    settings = platform.settings
    with checks.explained():
        landed, refused = land_inbox(settings, platform.lake, progress.report)
    metadata.describe_days(context, rows_by_day(platform.lake, start, end))
    if refused:
        raise dg.Failure(
            "Some files of the inbox can't be landed; the others were. " + " | ".join(refused),
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=landing_metadata(landed))


def rows_by_day(lake: Lake, start: date, end: date) -> dict[date, dict[str, int]]:
    """Rows landed for each day, by kind."""
    kinds = {
        name: lake.count_by_day(LANDED_EVENTS, start, end, where=ds.field("kind") == kind)
        for name, kind in (("dagster/row_count", "transaction"), ("labels", "label"))
    }
    days = sorted({day for counts in kinds.values() for day in counts})
    return {day: {name: counts.get(day, 0) for name, counts in kinds.items()} for day in days}


def landing_metadata(landed: list[Landed]) -> dict[str, dg.MetadataValue]:
    """What a landing did, over all of its files."""
    return {
        "files": dg.MetadataValue.int(len(landed)),
        "transactions": dg.MetadataValue.int(sum(one.transactions for one in landed)),
        "rejected": dg.MetadataValue.int(sum(one.rejected for one in landed)),
        "already_landed": dg.MetadataValue.int(sum(one.skipped for one in landed)),
        "reasons": dg.MetadataValue.json(
            {reason: count for one in landed for reason, count in one.reasons.most_common(20)}
        ),
    }
