"""Dagster from the command line: the instance of this installation, and runs in this process."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fraud_platform import progress
from fraud_platform.errors import PredictFlowError
from fraud_platform.memory import peak_mib, reset_peak
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from dagster import DagsterEvent, EventLogEntry


@dataclass(frozen=True)
class Ran:
    """A finished run: its id, and what each step took in seconds and in peak MiB.

    `warnings` are the checks that failed without failing the run, with what they say.
    """

    run_id: str
    first_day: date
    last_day: date
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def dagster_home() -> Path:
    """The folder of dagster.yaml: DAGSTER_HOME, the working directory, or the checkout."""
    named = os.environ.get("DAGSTER_HOME")
    places = [Path(named)] if named else [Path.cwd(), Path(__file__).parents[2]]
    for place in places:
        if (place / "dagster.yaml").is_file():
            return place.absolute()
    raise PredictFlowError(
        f"no dagster.yaml in {' or '.join(map(str, places))}; set DAGSTER_HOME to its folder"
    )


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The variables that Dagster's own processes need for this installation."""
    return {
        "DAGSTER_HOME": str(dagster_home()),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PREDICTFLOW_DATA_DIR": str(settings.data_dir),
        "PREDICTFLOW_DAGSTER_DIR": str(settings.dagster_dir),
    }


@contextmanager
def instance(settings: Settings) -> "Iterator[dg.DagsterInstance]":
    """The Dagster instance whose history the web page shows."""
    os.environ.update(dagster_environment(settings))
    assert settings.dagster_dir is not None
    settings.dagster_dir.mkdir(parents=True, exist_ok=True)
    import dagster as dg  # noqa: PLC0415 - a second to import

    with (settings.dagster_dir / ".opening.lock").open("w") as lock:
        # Two commands that make the history at once would leave its SQLite files half-made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        opened = dg.DagsterInstance.get()
    with opened as found:
        yield found


def run(on: "dg.DagsterInstance", keys: "Sequence[dg.AssetKey]", first: date, last: date) -> Ran:
    """Materialises the assets for a range of days in one run in this process.

    Each step is reported as progress. Raises PredictFlowError with the step's own words where one
    fails; what succeeded before it stays.
    """
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }
    return _run(on, keys, Ran(str(uuid4()), first, last), tags, {})


def run_once(on: "dg.DagsterInstance", asset: str, config: Mapping[str, Any]) -> Ran:
    """Materialises an asset that has no days, as `run` does, with its config."""
    import dagster as dg  # noqa: PLC0415 - a second to import

    today = datetime.now(UTC).date()
    ran = Ran(str(uuid4()), today, today)
    return _run(on, [dg.AssetKey(asset)], ran, {}, {asset: {"config": dict(config)}})


def _run(
    on: "dg.DagsterInstance",
    keys: "Sequence[dg.AssetKey]",
    ran: Ran,
    tags: dict[str, str],
    ops: dict[str, Any],
) -> Ran:
    job = _all_assets()
    on.add_event_listener(ran.run_id, _reporter(ran))
    result = job.execute_in_process(
        instance=on,
        run_id=ran.run_id,
        asset_selection=list(keys),
        tags=tags,
        run_config={
            # The history keeps every message; the terminal shows progress instead.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": ops,
        },
        raise_on_error=False,
    )
    if not result.success:
        raise PredictFlowError(_why(result.all_events))
    return ran


@cache
def _all_assets() -> "dg.JobDefinition":
    """The job of all assets; putting it together takes half a second, for each of many runs."""
    from fraud_platform.definitions import defs  # noqa: PLC0415 - loads every asset

    return defs().resolve_implicit_global_asset_job_def()


def _reporter(ran: Ran) -> "Callable[[EventLogEntry], None]":
    def hear(entry: "EventLogEntry") -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        match event.event_type_value:
            case "STEP_START":
                reset_peak()
                progress.report(event.step_key, 0, 1)
            case "STEP_UP_FOR_RETRY":
                progress.report(f"{event.step_key} failed and is tried again soon", 0, 1)
            case "STEP_SUCCESS":
                ran.seconds[event.step_key] = event.step_success_data.duration_ms / 1000
                ran.peak_mib[event.step_key] = peak_mib()
                progress.report(event.step_key, 1, 1)
            case "ASSET_CHECK_EVALUATION":
                found = event.asset_check_evaluation_data
                if not found.passed and found.severity.value == "WARN":
                    name = f"{found.asset_key.to_user_string()} {found.check_name}"
                    ran.warnings.append(f"{name}: {found.description or 'failed'}")

    return hear


def _why(events: "Sequence[DagsterEvent]") -> str:
    for event in events:
        if event.event_type_value == "STEP_FAILURE":
            return f"{event.step_key}: {step_said(event)}"
    return "the run failed before its first step; see its log in Dagster"


def step_said(event: "DagsterEvent") -> str:
    """The words of a step's failure: its own description, else those of what it was raised for."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    cause = data.error.cause if data.error and data.error.cause else data.error
    return cause.message.strip() if cause else "failed"
