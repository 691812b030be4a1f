"""`landed_events`: what arrived, as it arrived, with the position that it was read from."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from fraud_platform import progress
from fraud_platform.clock import days_between
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.landing_metadata import landing_metadata
from fraud_platform.defs.partitions import landing_days, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.ingest.contract_changes import Changes, contract_changes
from fraud_platform.ingest.decision_landing import land_decisions
from fraud_platform.ingest.inbox import land_inbox
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.lake.counts import landed_counts
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

TYPES, FIELDS = "types_unchanged", "fields_known"
KINDS = {
    "dagster/row_count": "transaction",
    "labels": "label",
    "decisions": "prediction",
    "rejected_that_day": "rejected",
}


@dg.asset(
    partitions_def=landing_days,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="ingestion",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake", "polars", "kafka"},
    metadata=metadata.columns(LANDED_EVENTS),
    check_specs=[
        dg.AssetCheckSpec(
            TYPES,
            asset="landed_events",
            description="No record of the last 24 hours was set aside for a value of another type.",
        ),
        dg.AssetCheckSpec(
            FIELDS,
            asset="landed_events",
            description="No record of the last 24 hours has a field that the contract lacks.",
        ),
    ],
)
def landed_events(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Transactions, labels, decisions and rejected records, each landed exactly once.

    Lands whatever waits in the inbox, in the service's files of decisions and in Kafka, of any
    day, and reports the rows that are there
    for this partition's days. A rejected record is kept with its reason and raw bytes.
    """
    start, end = (moment.date() for moment in window(context))
    settings, lake = platform.settings, platform.lake
    with checks.explained():
        landed, refused = land_inbox(settings, lake, progress.report)
        decisions = land_decisions(settings, lake)
        kafka = _land_kafka(settings, lake) if settings.kafka.brokers else None
        touched = {day for one in landed for day in (*one.days, *one.label_days)}
        touched |= {*decisions.days, *(kafka.days if kafka else ())}
        days = set(days_between(start, end))
        metadata.describe_days(context, rows_by_day(lake, days))
        _tell_other_days(context, lake, touched | _recent(settings.ingest.late_days), days)
        results = _results(contract_changes(lake))
    if refused:
        raise dg.Failure(
            "Some files of the inbox can't be landed; the others were. " + " | ".join(refused),
            allow_retries=False,
        )
    return dg.MaterializeResult(
        metadata=landing_metadata(landed, kafka, decisions), check_results=results
    )


def _land_kafka(settings: Settings, lake: Lake) -> Ingested:
    from fraud_platform.ingest.kafka import ingest_to_end  # noqa: PLC0415 - Kafka's client

    def report(done: int, total: int) -> None:
        progress.report("land from Kafka", done, total)

    return ingest_to_end(settings, lake, progress=report)


def rows_by_day(lake: Lake, days: Iterable[date]) -> dict[date, dict[str, int]]:
    """Rows landed for each of these days, by kind; rejected records by the day of their landing."""
    counts = landed_counts(lake)
    return {
        day: {name: counts.get(kind, {}).get(day, 0) for name, kind in KINDS.items()}
        for day in sorted(days)
    }


def _recent(late_days: int) -> set[date]:
    today = datetime.now(UTC).date()
    return set(days_between(today - timedelta(days=late_days), today + timedelta(days=1)))


def _tell_other_days(
    context: dg.AssetExecutionContext, lake: Lake, days: set[date], told: set[date]
) -> None:
    """Records other days of which rows were landed since their newest materialisation.

    Whoever landed them: a follower of Kafka, which knows nothing of Dagster, or this run.
    """
    for day, rows in rows_by_day(lake, days - told).items():
        recorded = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(context.asset_key, asset_partitions=[day.isoformat()]), limit=1
        ).records
        former = recorded[0].asset_materialization if recorded else None
        known = former.metadata if former else {}
        if any(rows[name] != (known[name].value if name in known else 0) for name in rows):
            context.log_event(
                dg.AssetMaterialization(
                    context.asset_key,
                    description="Rows were landed for this day since it was recorded last.",
                    partition=day.isoformat(),
                    metadata=rows,
                )
            )


def _results(changes: Changes) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name=TYPES,
            passed=not changes.types,
            severity=dg.AssetCheckSeverity.ERROR,
            description="A producer changed a type: agree on it, then replay the quarantine."
            if changes.types
            else None,
            metadata={
                "records": sum(changes.types.values()),
                "reasons": dg.MetadataValue.json(dict(changes.types.most_common(20))),
                "examples": dg.MetadataValue.json(changes.examples),
            },
        ),
        dg.AssetCheckResult(
            check_name=FIELDS,
            passed=not changes.fields,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"fields": dg.MetadataValue.json(changes.fields)},
        ),
    ]
