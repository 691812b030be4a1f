"""`predictflow materialize`: assets of a range of days."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from fraud_platform.commands import console, dagster_run
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg


# A bare name would be read in Dagster's older syntax, where "+" reaches one step and not all.
_BARE_NAME = re.compile(r"^(\+?)(\w+)(\+?)$")


@dataclass(frozen=True)
class Plan:
    """Assets made in one run over the range, and those made in a run a day."""

    in_one_run: "list[dg.AssetKey]"
    a_run_a_day: "list[dg.AssetKey]"
    days: list[date]


def run_materialize(start: date, end: date, select: str | None, *, as_json: bool) -> None:
    with console.bars():
        runs = materialize(load_settings(), start, end, select)
    if as_json:
        console.emit({"runs": [one.__dict__ for one in runs]})
        return
    rows = [
        (
            step,
            f"{one.first_day} to {one.last_day}",
            round(seconds, 1),
            one.peak_mib[step],
            one.run_id[:8],
        )
        for one in runs
        for step, seconds in one.seconds.items()
    ]
    console.table("Materialised", ("asset", "days", "seconds", "peak MiB", "run"), rows)
    for one in runs:
        for warning in one.warnings:
            console.console.print(f"[yellow]check[/] {console.plain(warning)}", soft_wrap=True)


def materialize(
    settings: Settings, start: date, end: date, select: str | None
) -> list[dagster_run.Ran]:
    """Runs what is selected over start to end (inclusive); raises PredictFlowError on a failure."""
    with dagster_run.instance(settings) as on:
        plan = _plan(start, end, select)
        runs = []
        if plan.in_one_run:
            runs.append(dagster_run.run(on, plan.in_one_run, start, end))
        if plan.a_run_a_day:
            runs += [dagster_run.run(on, plan.a_run_a_day, day, day) for day in plan.days]
        return runs


def _plan(start: date, end: date, select: str | None) -> Plan:
    import dagster as dg  # noqa: PLC0415 - a second to import

    from fraud_platform.definitions import defs  # noqa: PLC0415 - loads every asset

    graph = defs().resolve_asset_graph()
    _check_range(start, end)
    parts = [part.strip() for part in select.split(",")] if select else ["*"]
    try:
        chosen = {
            key
            for part in parts
            for key in dg.AssetSelection.from_string(_BARE_NAME.sub(r"\1key:\2\3", part)).resolve(
                graph
            )
            if graph.get(key).is_partitioned
        }
    except dg.DagsterError as error:
        raise PredictFlowError(f"--select {select!r}: {error}") from error
    of_days = [key for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned]
    known = ", ".join(sorted(key.to_user_string() for key in of_days))
    if not chosen:
        raise PredictFlowError(f"--select {select!r} selects no asset of days; assets: {known}")
    ordered = [key for key in graph.toposorted_asset_keys if key in chosen]
    single = [
        key
        for key in ordered
        if (policy := graph.get(key).backfill_policy) and policy.max_partitions_per_run is None
    ]
    daily = [key for key in ordered if key not in single]
    days = [start + timedelta(days=i) for i in range((end - start).days + 1)] if select else [end]
    return Plan(single, daily, days)


def _check_range(start: date, end: date) -> None:
    if end < start:
        raise PredictFlowError(f"--to {end} is before --from {start}")
    from fraud_platform.defs.partitions import daily  # noqa: PLC0415

    first = date.fromisoformat(daily.get_first_partition_key() or "")
    last = date.fromisoformat(daily.get_last_partition_key() or "")
    today = datetime.now(UTC).date()
    if start < first:
        raise PredictFlowError(
            f"--from {start}: the partitions start on {first}, the earliest landed day; "
            "land the day's data first, or set PREDICTFLOW_FIRST_DAY"
        )
    if end > last:
        raise PredictFlowError(
            f"--to {end}: the last whole day is {last} (today, {today}, isn't over in UTC)"
        )
