"""Tells people of a day whose features aren't there by the hour they should be."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import dagster as dg
import msgspec

from fraud_platform.alerts.alert import Alert
from fraud_platform.alerts.sending import send
from fraud_platform.defs.daily_tiles import daily_tiles
from fraud_platform.defs.label_tiles import label_tiles
from fraud_platform.defs.partitions import daily
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.schedules import UNFINISHED, daily_schedule
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.defs.transaction_habits import transaction_habits
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.counts import days_with_rows, landed_counts
from fraud_platform.monitoring.overdue_days import overdue
from fraud_platform.provenance import dagster_link
from fraud_platform.settings import Settings, load_settings

WAY = (
    raw_transactions,
    daily_tiles,
    transaction_habits,
    transaction_labels,
    label_tiles,
    transaction_features,
)
"""What has to be made of a day, in order."""
RUNS = 100
"""Runs that are looked through for one of the day, the newest first."""


@dg.sensor(
    name="day_not_made",
    minimum_interval_seconds=300,
    default_status=(
        dg.DefaultSensorStatus.RUNNING
        if load_settings().alerts.on
        else dg.DefaultSensorStatus.STOPPED
    ),
    description="Alerts operations of a day without features at alerts.made_by (04:00 UTC) of the "
    "day after, once a day until it is made, with what is missing and the run that failed.",
)
def day_not_made(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """The lake says what is made; it asks for no runs."""
    settings, now = platform.settings, datetime.now(UTC)
    landed = landed_counts(platform.lake).get("transaction", {})
    if not landed:
        return dg.SkipReason("nothing has been landed yet")
    found = overdue(
        now,
        settings.alerts.made_by,
        date.fromisoformat(daily.get_first_partition_key() or str(now.date())),
        days_with_rows(platform.lake, TRANSACTION_FEATURES),
        msgspec.json.decode(context.cursor or "{}", type=dict[date, date]),
    )
    alerts = [_made(day, now) for day in found.resolve]
    alerts += [
        _missing(settings, context.instance, day, landed.get(day, 0), now) for day in found.tell
    ]
    for alert in alerts:
        context.log.info(f"{alert.key}: {send(settings, alert).told()}")
    days = ", ".join(map(str, found.told))
    return dg.SensorResult(
        cursor=msgspec.json.encode(found.told).decode(),
        skip_reason=dg.SkipReason(f"not made: {days}" if days else f"{found.due} is made"),
    )


def _key(day: date) -> str:
    return f"day_not_made/{day}"


def _made(day: date, now: datetime) -> Alert:
    return Alert(
        key=_key(day),
        severity="error",
        channel="operations",
        title=f"{day} is made",
        when=now,
        resolves=True,
    )


def _missing(
    settings: Settings, instance: dg.DagsterInstance, day: date, landed: int, now: datetime
) -> Alert:
    key = str(day)
    missing = [
        one.key.to_user_string()
        for one in WAY
        if key not in instance.get_materialized_partitions(one.key)
    ]
    run = next((one for one in instance.get_runs(limit=RUNS) if _is_of(one.tags, key)), None)
    if run is None:
        said = f"No run of it was asked for: is the schedule {daily_schedule.name} on?"
    elif run.status in UNFINISHED:
        said = f"Run {run.run_id} of job {run.job_name} hasn't ended yet."
    else:
        said = f"Run {run.run_id} of job {run.job_name} ended as {run.status.value}."
    return Alert(
        key=_key(day),
        severity="error",
        channel="operations",
        title=f"{day} isn't made by {settings.alerts.made_by} UTC of the day after",
        text=f"{landed:,} of its transactions are landed. Not made: {', '.join(missing)}. {said}",
        link=(dagster_link(settings, run.run_id) or "") if run else "",
        when=now,
    )


def _is_of(tags: Mapping[str, str], day: str) -> bool:
    first, last = (tags.get(f"dagster/asset_partition_range_{end}", "") for end in ("start", "end"))
    return tags.get("dagster/partition") == day or first <= day <= last
