"""When what runs by the clock: landing every five minutes, each day at 02:00 UTC the day before."""

import dagster as dg

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


daily_job = dg.define_asset_job(
    "daily",
    # A job has partitions of one kind, and landing has today's as well.
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.groups("ingestion")
    - dg.AssetSelection.assets("online_labels"),
    description="Everything of one whole day, from its landed events to the deployed model.",
)
landing_job = dg.define_asset_job(
    "landing",
    selection=dg.AssetSelection.assets("landed_events"),
    description="What waits in the inbox, in files of decisions and in Kafka, of any day.",
)
labels_job = dg.define_asset_job(
    "online_labels_job",
    selection=dg.AssetSelection.assets("online_labels"),
    description="The label figures of the online store, as of the full hour.",
)
maintenance_job = dg.define_asset_job(
    "maintenance",
    selection=dg.AssetSelection.assets("table_maintenance"),
    description="Small files of the lake's tables made into large ones, unneeded ones removed.",
)

daily_schedule = dg.build_schedule_from_partitioned_job(
    daily_job,
    name="daily_at_02_00",
    description="The day before, at 02:00 UTC: labels and late files of the day are in by then.",
    hour_of_day=2,
    minute_of_hour=0,
)


@dg.schedule(
    job=landing_job,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    description="Lands what waits, under today's partition, unless an earlier landing still runs.",
)
def landing_every_five_minutes(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    today = context.scheduled_execution_time.date()
    return _one_at_a_time(context, landing_job.name, dg.RunRequest(partition_key=today.isoformat()))


@dg.schedule(
    job=maintenance_job,
    cron_schedule="30 * * * *",
    execution_timezone="UTC",
    description="Compacts and vacuums the tables, unless an earlier maintenance still runs.",
)
def table_maintenance_hourly(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    return _one_at_a_time(context, maintenance_job.name, dg.RunRequest())


@dg.schedule(
    job=labels_job,
    cron_schedule="1 * * * *",
    execution_timezone="UTC",
    description="What is known of labels as of the full hour, for the service.",
)
def online_labels_hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return _one_at_a_time(context, labels_job.name, dg.RunRequest())


def _one_at_a_time(
    context: dg.ScheduleEvaluationContext, job: str, request: dg.RunRequest
) -> dg.RunRequest | dg.SkipReason:
    before = unfinished(context.instance, job)
    return dg.SkipReason(f"run {before} of job {job} hasn't ended yet") if before else request


def unfinished(instance: dg.DagsterInstance, *jobs: str) -> str | None:
    """The id of a run of one of the jobs that waits or runs, if there is one."""
    for job in jobs:
        for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1):
            return run.run_id
    return None
