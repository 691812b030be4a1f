"""What asks for a training by itself: lasting drift, and decisions that stay below their floors."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import msgspec

from fraud_platform.alerts.alert import LONGEST_KEY, Alert
from fraud_platform.alerts.sending import send
from fraud_platform.defs.deployed_model import deployed_model
from fraud_platform.defs.evaluation_report import evaluation_report
from fraud_platform.defs.fraud_model import fraud_model
from fraud_platform.defs.late_rows import FOLLOWS_JOB, LATE_JOB
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.schedules import daily_job, unfinished
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.counts import days_with_rows
from fraud_platform.modelling.bundle import MODEL, champion_path, read_bundle
from fraud_platform.monitoring.retraining import (
    Decision,
    Live,
    Now,
    Reason,
    Request,
    Sign,
    decide,
)
from fraud_platform.settings import Settings, load_settings

RETRAIN_JOB = "retrain"
RUNS = 50
"""Runs of the job that are looked at for the cool-down and the week; a week never has as many."""

retrain_job = dg.define_asset_job(
    RETRAIN_JOB,
    selection=[fraud_model, evaluation_report, deployed_model],
    description="A model of the newest day, trained, judged and let in beside the daily ones.",
)
_status = (
    dg.DefaultSensorStatus.RUNNING if load_settings().retrain.on else dg.DefaultSensorStatus.STOPPED
)


class Cursor(msgspec.Struct):
    """What a sensor remembers: the run key it asked for last, and the day on which it told that
    training was held back, so that each is done and told once."""

    asked: str = ""
    held: str = ""


@dg.sensor(
    name="retrain_on_drift",
    job=retrain_job,
    minimum_interval_seconds=60,
    default_status=_status,
    description="Asks for a training of the newest day where the live model's features or score "
    "drifted on retrain.drift_days judged days in a row, once labels of those days are known; with "
    "a cool-down and at most retrain.max_per_week a week.",
)
def retrain_on_drift(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """Reads the reports of `drift_report`; the run key names day, features and live model."""
    from fraud_platform.monitoring.signs import drift_signs  # noqa: PLC0415 - SciPy takes a second

    return _asked(context, platform, "drift", platform.settings.drift_dir, drift_signs)


@dg.sensor(
    name="retrain_on_quality",
    job=retrain_job,
    minimum_interval_seconds=60,
    default_status=_status,
    description="Asks for a training of the newest day where precision or recall of the decisions "
    "were below quality_floors on retrain.low_days judged days in a row; cool-down and weekly "
    "limit are shared with retrain_on_drift.",
)
def retrain_on_quality(
    context: dg.SensorEvaluationContext, platform: Platform
) -> dg.SensorResult | dg.SkipReason:
    """Reads the reports of `prediction_quality`, of final labels only."""
    from fraud_platform.monitoring.signs import quality_signs  # noqa: PLC0415 - likewise

    return _asked(context, platform, "quality", platform.settings.quality_dir, quality_signs)


def _asked(
    context: dg.SensorEvaluationContext,
    platform: Platform,
    reason: Reason,
    folder: Path,
    read: Callable[[Path, date], list[Sign]],
) -> dg.SensorResult | dg.SkipReason:
    settings = platform.settings
    now = _now(context.instance, platform)
    decision = decide(
        reason,
        read(folder, now.live.fitted_until) if now.live else [],
        now,
        settings.retrain,
        settings.training,
        settings.labels.maturity_days,
    )
    cursor = msgspec.json.decode(context.cursor or "{}", type=Cursor)
    request, requests = decision.request, []
    if request and request.run_key != cursor.asked:
        cursor.asked = request.run_key
        requests = [_run(request)]
        context.log.info(send(settings, _told_of(request, decision)).told())
    if decision.held and cursor.held != str(now.newest):
        cursor.held = str(now.newest)
        context.log.info(send(settings, _held(reason, decision)).told())
    told = f"{decision.told}, by {cursor.asked}" if request else decision.told
    return dg.SensorResult(
        run_requests=requests,
        cursor=msgspec.json.encode(cursor).decode(),
        skip_reason=None if requests else dg.SkipReason(told),
    )


def _now(instance: dg.DagsterInstance, platform: Platform) -> Now:
    made = days_with_rows(platform.lake, TRANSACTION_FEATURES)
    return Now(
        newest=made[-1] if made else None,
        live=_live(platform.settings),
        asked=asked_days(instance),
        busy=unfinished(instance, RETRAIN_JOB, daily_job.name, LATE_JOB, FOLLOWS_JOB),
    )


def _live(settings: Settings) -> Live | None:
    path = champion_path(settings.bundles_dir)
    if path is None:
        return None
    manifest, _ = read_bundle(path)
    return Live(
        version=manifest.model_version,
        sha256=manifest.sha256[MODEL],
        partition=date.fromisoformat(manifest.partition),
        fitted_until=date.fromisoformat(manifest.training_window[1]),
    )


def asked_days(instance: dg.DagsterInstance) -> list[date]:
    """The days of the last runs of the job, by whomever they were asked for; runs that were tried
    again are of the same day."""
    runs = instance.get_runs(dg.RunsFilter(job_name=RETRAIN_JOB), limit=RUNS)
    days = {run.tags.get("dagster/partition") for run in runs}
    return sorted(date.fromisoformat(day) for day in days if day)


def _run(request: Request) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=request.run_key,
        partition_key=str(request.day),
        run_config={"ops": {"fraud_model": {"config": request.config}}},
        tags=request.tags,
    )


def _told_of(request: Request, decision: Decision) -> Alert:
    return Alert(
        key=_key("retrain", request.run_key),
        severity="warning",
        channel="operations",
        title=f"A training of {request.day} is asked for, because of {request.reason}",
        text=f"{decision.told}. The gate decides whether it takes the place of the live "
        f"v{request.version}.",
        when=datetime.now(UTC),
    )


def _held(reason: Reason, decision: Decision) -> Alert:
    return Alert(
        key=f"retrain/held/{reason}",
        severity="warning",
        channel="operations",
        title=f"A training is wanted because of {reason}, and held back",
        text=f"{decision.told}. Look whether what moved is one of the data's faults; a run of the "
        f"job {RETRAIN_JOB} by hand is not held back.",
        when=datetime.now(UTC),
    )


def _key(*parts: str) -> str:
    return "/".join(parts)[:LONGEST_KEY]
