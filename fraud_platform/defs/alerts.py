"""Sensors that tell people: a run that failed, and alerts that wait for a target that was down."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import dagster as dg
from dagster import DagsterEventType, DagsterRun, EventLogEntry

from fraud_platform.alerts.alert import LONGEST_KEY, Alert
from fraud_platform.alerts.sending import flush, send
from fraud_platform.commands.dagster_run import step_said
from fraud_platform.defs.resources import Platform
from fraud_platform.provenance import dagster_link
from fraud_platform.settings import Settings, load_settings

_TOLD_OF = {DagsterEventType.ASSET_CHECK_EVALUATION, DagsterEventType.STEP_FAILURE}
_WILL_RETRY = "dagster/will_retry"
_status = (
    dg.DefaultSensorStatus.RUNNING if load_settings().alerts.on else dg.DefaultSensorStatus.STOPPED
)


@dg.run_failure_sensor(
    name="failed_runs",
    # Runs that `predictflow` started from the command line belong to no code location.
    monitor_all_code_locations=True,
    minimum_interval_seconds=30,
    default_status=_status,
    description="Alerts of each failed run: of blocking checks the data-quality channel, of the "
    "rest operations.",
)
def failed_runs(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    """Raises what a failed run is to be told of; the log says what each alert came to."""
    settings, run = platform.settings, context.dagster_run
    events = context.instance.all_logs(run.run_id, of_type=_TOLD_OF)
    said = context.failure_event.message or ""
    for alert in alerts_of(settings, run, events, said, datetime.now(UTC)):
        context.log.info(f"{alert.key}: {send(settings, alert).told()}")


@dg.sensor(
    name="waiting_alerts",
    minimum_interval_seconds=60,
    default_status=_status,
    description="Sends alerts that were kept because a target was down.",
)
def waiting_alerts(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """One try a tick; it asks for no runs."""
    done = flush(platform.settings)
    if done.dropped:
        context.log.warning(f"{done.dropped} alerts never reached their target and were dropped")
    return dg.SkipReason(done.told())


def alerts_of(
    settings: Settings,
    run: DagsterRun,
    events: Sequence[EventLogEntry],
    said: str,
    now: datetime,
) -> list[Alert]:
    """What a failed run's events are worth telling: broken blocking checks, and other failures.

    `said` is the run's own last word, told where no step failed. A step that failed because of its
    own check is told of once, as data quality. A run that is tried again is only a warning.
    """
    broken: dict[str, str] = {}  # the step of each check
    failures: dict[str, str] = {}
    for entry in events:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type == DagsterEventType.STEP_FAILURE:
            failures[event.step_key] = step_said(event)
            continue
        check = event.asset_check_evaluation_data
        name = f"{check.asset_key.to_user_string()} {check.check_name}"
        broken.pop(name, None)  # what a step's earlier try found
        if check.blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            broken[name] = event.step_key
    what, days = _named(run), _days(run)
    of_checks = set(broken.values())
    others = {step: words for step, words in failures.items() if step not in of_checks}
    common = {"link": dagster_link(settings, run.run_id) or "", "when": now}
    found = []
    if broken:
        said_of_checks = [failures[step] for step in sorted(of_checks & failures.keys())]
        found.append(
            Alert(
                key=_key("data_quality", days, *sorted(broken)),
                severity="error",
                channel="data_quality",
                title=f"Data quality: {', '.join(broken)} failed{_of(days)}",
                text="\n".join([*said_of_checks, "What follows from it was not made."]),
                **common,
            )
        )
    if others or not broken:
        retried = run.tags.get(_WILL_RETRY) == "true"
        found.append(
            Alert(
                key=_key("run_failed", run.job_name, *sorted(others)),
                severity="warning" if retried else "error",
                channel="operations",
                title=f"{what} failed{_of(days)}" + (", and is tried again" if retried else ""),
                text="\n".join(f"{step}: {words}" for step, words in others.items()) or said,
                **common,
            )
        )
    return found


def _named(run: DagsterRun) -> str:
    return "A run of assets" if run.job_name.startswith("__") else f"Job {run.job_name}"


def _days(run: DagsterRun) -> str:
    if day := run.tags.get("dagster/partition"):
        return day
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return (first if first == last else f"{first} to {last}") if first and last else ""


def _of(days: str) -> str:
    return f" of {days}" if days else ""


def _key(*parts: str) -> str:
    key = "/".join(filter(None, parts))
    return key if len(key) <= LONGEST_KEY else f"{parts[0]}/{sha256(key.encode()).hexdigest()}"
