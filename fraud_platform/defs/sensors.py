"""What runs because of what happened: rows that were landed late for days already made."""

from datetime import UTC, date, datetime

import dagster as dg
import msgspec

from fraud_platform.defs.late_rows import FEATURES, FOLLOWS_JOB, LATE_JOB, Cursor, Late
from fraud_platform.defs.metadata import LANDED_ROWS
from fraud_platform.defs.online_features import online_features
from fraud_platform.defs.prediction_log import prediction_log
from fraud_platform.defs.prediction_quality import prediction_quality
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.schedules import daily_job, unfinished
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.lake.late import Made, TableDays
from fraud_platform.settings import load_settings

PAGE = 1000

late_job = dg.define_asset_job(
    LATE_JOB,
    selection=[raw_transactions],
    description="Days of transactions made again for rows that were landed after they were made.",
)
follows_job = dg.define_asset_job(
    FOLLOWS_JOB,
    selection=[
        transaction_labels,
        *FEATURES,
        online_features,
        prediction_log,
        prediction_quality,
    ],
    description="Days made again because of late labels or decisions, or of transactions made "
    "again.",
)


@dg.sensor(
    name="late_transactions",
    jobs=[late_job, follows_job],
    minimum_interval_seconds=30,
    default_status=(
        dg.DefaultSensorStatus.RUNNING
        if load_settings().ingest.late_on
        else dg.DefaultSensorStatus.STOPPED
    ),
    description="Makes days again for rows landed up to ingest.late_days after them, then in turn "
    "the labels, the features, the online state and the judged quality that follow from them.",
)
def late_transactions(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """One step a tick, and none while a run of an earlier step (or of the day) is unfinished.

    What follows from days already made again goes before newly landed rows, so that a trickle of
    late rows can't hold it up. Runs of a step that failed aren't asked for again: they have been
    tried as often as their policy says, and the next step makes the best of what is there.
    """
    before = unfinished(context.instance, LATE_JOB, FOLLOWS_JOB, daily_job.name)
    if before:
        return dg.SkipReason(f"run {before} hasn't ended yet")
    cursor = msgspec.json.decode(context.cursor or "{}", type=Cursor)
    _read_records(context.instance, raw_transactions.key, cursor.transactions)
    _read_records(context.instance, transaction_labels.key, cursor.labels)
    _read_records(context.instance, prediction_log.key, cursor.predictions)
    late = Late(platform.settings, platform.lake, cursor, datetime.now(UTC).date())
    online = context.instance.get_materialized_partitions(online_features.key)
    requests = late.requests(date.fromisoformat(max(online)) if online else None)
    for name, day in late.newly_too_late:
        context.log.warning(f"{name} of {day} were landed too late: the day stays as it is")
    return dg.SensorResult(
        run_requests=requests,
        cursor=msgspec.json.encode(cursor).decode(),
        skip_reason=None if requests else dg.SkipReason(late.told()),
    )


def _read_records(instance: dg.DagsterInstance, key: dg.AssetKey, days: TableDays) -> None:
    """Takes up the records of days that were made since the sensor looked last."""
    while True:
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(key, after_storage_id=days.seen), limit=PAGE, ascending=True
        )
        for record in found.records:
            days.seen = record.storage_id
            made = record.asset_materialization
            # What doesn't say of how many landed rows it was made, a person has recorded.
            if made and made.partition and LANDED_ROWS in made.metadata:
                rows = made.metadata[LANDED_ROWS].value
                assert isinstance(rows, int)
                days.take(
                    date.fromisoformat(made.partition),
                    Made(rows, record.storage_id),
                    for_late_rows=record.event_log_entry.job_name in (LATE_JOB, FOLLOWS_JOB),
                )
        if not found.has_more:
            return
