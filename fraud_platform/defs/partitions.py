"""Days in UTC, and how a range of them is run."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from fraud_platform.defs.resources import first_day
from fraud_platform.settings import load_settings

_start = datetime.combine(first_day(), datetime.min.time(), UTC)
daily = dg.DailyPartitionsDefinition(start_date=_start, timezone="UTC")
# Records land all day long; every other table is made of whole days.
landing_days = dg.DailyPartitionsDefinition(start_date=_start, timezone="UTC", end_offset=1)

# A range of days of a table is one run with one pass over the data; a model is one run a day.
one_run = dg.BackfillPolicy.single_run()
run_a_day = dg.BackfillPolicy.multi_run(1)

# For what fails for outside reasons: a store or a server that is away for a moment.
retry = dg.RetryPolicy(
    max_retries=2, delay=load_settings().retry_delay_seconds, jitter=dg.Jitter.PLUS_MINUS
)


def days_before(days: int, until: int = 0) -> dg.TimeWindowPartitionMapping:
    """Depends on the days from `days` before up to `until` days before, as far as there are any."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-days, end_offset=-until, allow_nonexistent_upstream_partitions=True
    )


def window(context: dg.AssetExecutionContext) -> tuple[datetime, datetime]:
    """First moment of the run's first day and first moment after its last one."""
    span = context.partition_time_window
    return span.start, span.end


def last_day(context: dg.AssetExecutionContext) -> datetime:
    return window(context)[1] - timedelta(days=1)
