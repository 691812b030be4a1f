"""What Dagster's runs say of days: which failed, which are under way."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from fraud_platform.clock import days_between

if TYPE_CHECKING:
    import dagster as dg

MOST_RUNS = 1_000
_LANDING = "landing"
"""Its partition is the day on which it runs, whatever days it lands."""
_RANGE = "dagster/asset_partition_range_"
_WILL_RETRY = "dagster/will_retry"


class DayRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run by day that failed, and that is under way; `failed_since` runs were given up
    since a moment."""

    running: dict[date, str]
    failed: dict[date, str]
    failed_since: int


def day_runs(instance: "dg.DagsterInstance", since: datetime, failed_since: datetime) -> DayRuns:
    """Unfinished runs, and failed ones since `since`; of many, the newest 1,000."""
    import dagster as dg  # noqa: PLC0415 - a second to import

    under_way = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    unfinished = instance.get_runs(dg.RunsFilter(statuses=under_way), limit=MOST_RUNS)
    failed = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since), limit=MOST_RUNS
    )
    given_up = [
        one
        for one in failed
        if one.dagster_run.tags.get(_WILL_RETRY) != "true"
        and (one.end_time or 0) >= failed_since.timestamp()
    ]
    return DayRuns(
        running=_by_day(unfinished),
        failed=_by_day(one.dagster_run for one in failed),
        failed_since=len(given_up),
    )


def _by_day(runs: "Iterable[dg.DagsterRun]") -> dict[date, str]:
    """The first run of each day; runs come newest first."""
    found: dict[date, str] = {}
    for run in runs:
        if run.job_name != _LANDING:
            for day in _days_of(run.tags):
                found.setdefault(day, run.run_id)
    return found


def _days_of(tags: Mapping[str, str]) -> list[date]:
    one = tags.get("dagster/partition")
    first, last = tags.get(f"{_RANGE}start", one), tags.get(f"{_RANGE}end", one)
    if not (first and last):
        return []
    return days_between(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1))
