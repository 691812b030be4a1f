"""The sensors that ask for trainings, as a table of cases: requests, cursor, and who is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from fraud_platform.contracts.monitoring import DayQuality, Quality, QualityReport
from fraud_platform.definitions import defs
from fraud_platform.defs.training_config import TrainingConfig
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.promotion_log import last
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.modelling.split import DateRange, plan_split
from fraud_platform.monitoring.drift import Drifted, Measured
from fraud_platform.monitoring.drift_day import DriftReport
from fraud_platform.monitoring.retraining import sizes
from fraud_platform.settings import load_settings
from fraud_platform_tests.alerts.servers import HttpServer
from fraud_platform_tests.lake.rows import rows_of
from fraud_platform_tests.modelling.test_promotions import bundle
from fraud_platform_tests.world import LAST

repository = cache(defs().get_repository_def)
DAYS = {n: LAST - timedelta(days=n) for n in range(30)}  # by how many days before LAST
LIVE_OF = DAYS[15]
"""MADE's fit days end long before; LAST is the first day that a training can be asked for."""


@dataclass(frozen=True)
class Case:
    """Findings by days before LAST, on top of ten such days; runs there were, as job, how many
    days before LAST they are of, and status; the run key, or in part why there is no request."""

    sensor: str = "retrain_on_drift"
    findings: dict[int, list[str]] = field(default_factory=dict)
    runs: list[tuple[str, int, dg.DagsterRunStatus]] = field(default_factory=list)
    key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    told: str = ""
    alerts: list[str] = field(default_factory=list)
    held: bool = False


AMOUNT = {n: ["amount"] for n in range(10)}
RECALL = {n: ["recall"] for n in range(10)}
DONE, FAILED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
TAGS = {
    "predictflow/day": str(LAST),
    "predictflow/since": str(DAYS[9]),
    "predictflow/instead_of": "v7",
}
WORDS = (
    "A training of {} is asked for, because of {}*\n{} since {}: a training of {} is asked for. "
)
ASKED = "*[warning] " + WORDS

CASES = {
    "no reports": Case(told="there is no report of one"),
    "drift": Case(
        findings=AMOUNT,
        key=f"drift:{LAST}:amount:v7",
        tags=TAGS | {"predictflow/reason": "drift", "predictflow/drifted": "amount"},
        alerts=[ASKED.format(LAST, "drift", "amount drifted", DAYS[9], LAST)],
    ),
    "a quiet day": Case(findings=AMOUNT | {0: []}, told=f"nothing was found on {LAST}"),
    "other runs of the job": Case(
        findings=AMOUNT,
        runs=[("retrain", 3, DONE), ("daily", 0, DONE)],
        key=f"drift:{LAST}:amount:v7",
        tags=TAGS | {"predictflow/reason": "drift", "predictflow/drifted": "amount"},
        alerts=[ASKED.format(LAST, "drift", "amount drifted", DAYS[9], LAST)],
    ),
    "a training two days ago, which failed": Case(
        findings=AMOUNT,
        runs=[("retrain", 2, FAILED)],
        told=f"not before {LAST + timedelta(days=1)}",
    ),
    "two within a week": Case(
        findings=AMOUNT,
        runs=[("retrain", 3, DONE), ("retrain", 6, DONE)],
        told=f"{DAYS[6]}, {DAYS[3]} were trained anew within a week",
        alerts=["*[warning] A training is wanted because of drift, and held back*\namount drifted"],
        held=True,
    ),
    **{
        f"{job} under way": Case(
            findings=AMOUNT, runs=[(job, 0, dg.DagsterRunStatus.STARTED)], told="hasn't ended yet"
        )
        for job in ("daily", "retrain", "late_transactions", "what_follows")
    },
    "low recall": Case(
        sensor="retrain_on_quality",
        findings=RECALL,
        key=f"quality:{LAST}:recall:v7",
        tags=TAGS
        | {
            "predictflow/reason": "quality",
            "predictflow/low": "recall",
            "predictflow/since": str(DAYS[16]),
        },
        alerts=[ASKED.format(LAST, "quality", "recall below the floor", DAYS[16], LAST)],
    ),
    "low recall after a training for drift": Case(
        sensor="retrain_on_quality",
        findings=RECALL,
        runs=[("retrain", 1, DONE)],
        told="(retrain.cooldown_days)",
    ),
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    with HttpServer() as server:
        monkeypatch.setenv("PREDICTFLOW_ALERTS_WEBHOOK_URL", f"{server.url}/hook")
        yield server


@pytest.fixture
def live(data_dir: Path) -> Path:
    """A model of LIVE_OF that is live."""
    root = data_dir / "bundles"
    promote(root, bundle(root, 7, str(LIVE_OF)), By(who="ann", why="it is good"))
    return root


def make_features(lake: Lake) -> None:
    rows = rows_of(
        TRANSACTION_FEATURES, [{"event_date": day, "user_id": "u"} for day in DAYS.values()]
    )
    lake.replace_days(TRANSACTION_FEATURES, min(DAYS.values()), LAST + timedelta(days=1), rows)


def keep_reports(sensor: str, findings: dict[int, list[str]], sha256: str) -> None:
    for ago, found in findings.items():
        write = _drift if sensor == "retrain_on_drift" else _quality
        folder, report = write(DAYS[ago], found, sha256)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{DAYS[ago]}.json").write_bytes(msgspec.json.encode(report))


def _drift(day: date, found: list[str], sha256: str) -> tuple[Path, Any]:
    moved = [
        Measured(
            name=name,
            rows=500,
            edges=[0.0, 1.0],
            shares=[0.5, 0.5],
            trained=[1.0, 0.0],
            effect=1.0,
            outside=0.0,
            unseen=[],
            distances={"psi": 1.0},
            bound={"psi": 0.1},
            over=["psi"] if name in found else [],
        )
        for name in ("amount", "hour_of_day")
    ]
    return load_settings().drift_dir, DriftReport(
        day=str(day),
        model_version="7",
        model_sha256=sha256,
        rows=500,
        drifted=Drifted(measured=moved, vanished=[], unknown=[]),
    )


def _quality(day: date, found: list[str], _: str) -> tuple[Path, Any]:
    decided = day - timedelta(days=load_settings().labels.maturity_days)
    all_together = Quality(
        model_version=None, decisions=90, labelled=90, frauds=30, alarms=10, recall=0.1
    )
    days = [
        DayQuality(decided=str(decided), estimate="matured", overall=all_together),
        DayQuality(decided=str(day), estimate="early", overall=all_together),
    ]
    findings = [f"{name} of {decided} is 0.10 on 30 frauds, below the floor" for name in found]
    return load_settings().quality_dir, QualityReport(day=str(day), days=days, findings=findings)


def was_run(
    instance: dg.DagsterInstance, job: str, day: date, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    return instance.create_run_for_job(
        repository().get_job(job),
        status=status,
        tags={"dagster/partition": str(day)},
    )


def tick(instance: dg.DagsterInstance, sensor: str, cursor: str | None) -> SensorExecutionData:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - Dagster's beta warnings

    context = dg.build_sensor_context(
        instance, cursor, repository_def=repository(), resources={"platform": Platform()}
    )
    return repository().get_sensor_def(sensor).evaluate_tick(context)


def sha256_of(root: Path) -> str:
    entry = last(root)
    assert entry is not None
    return entry.sha256


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_training_is_asked_for_once_or_it_is_said_why_not(
    case: Case, instance: dg.DagsterInstance, data_dir: Path, live: Path, hook: HttpServer
) -> None:
    make_features(Lake(data_dir / "lake"))
    keep_reports(case.sensor, case.findings, sha256_of(live))
    for job, ago, status in case.runs:
        was_run(instance, job, DAYS[ago], status)

    done = tick(instance, case.sensor, None)

    assert [one.run_key for one in done.run_requests or []] == ([case.key] if case.key else [])
    for request in done.run_requests or []:
        assert request.partition_key == str(LAST)
        assert {name: request.tags.get(name) for name in case.tags} == case.tags
        config = sizes(load_settings().retrain, load_settings().training)
        assert request.run_config == {"ops": {"fraud_model": {"config": config}}}
        job = repository().get_job("retrain")
        assert dg.validate_run_config(job, request.run_config)
        assert job.partitions_def is not None
        assert job.partitions_def.has_partition_key(str(LAST))
    assert msgspec.json.decode(done.cursor or "") == {
        "asked": case.key or "",
        "held": str(LAST) if case.held else "",
    }
    if not case.key:
        assert case.told in (done.skip_message or "")
    assert len(hook.texts) == len(case.alerts)
    for text, begin in zip(hook.texts, case.alerts, strict=True):
        assert text.startswith(begin)

    again = tick(instance, case.sensor, done.cursor)
    assert (again.run_requests, again.cursor) == ([], done.cursor)
    assert len(hook.texts) == len(case.alerts)
    if case.key:
        assert (again.skip_message or "").endswith(f"is asked for, by {case.key}")


def test_a_report_that_cannot_be_read_says_which_and_what_to_do(
    instance: dg.DagsterInstance, data_dir: Path, live: Path
) -> None:
    make_features(Lake(data_dir / "lake"))
    keep_reports("retrain_on_drift", AMOUNT, sha256_of(live))
    (load_settings().drift_dir / f"{LAST}.json").write_text("{")
    with pytest.raises(PredictFlowError) as error:
        tick(instance, "retrain_on_drift", None)
    assert f"{LAST}.json can't be read" in str(error.value)
    assert "materialise its day again" in str(error.value)


def test_what_is_asked_for_is_fitted_on_labels_that_the_daily_model_leaves_to_its_test(
    instance: dg.DagsterInstance, data_dir: Path, live: Path
) -> None:
    make_features(Lake(data_dir / "lake"))
    keep_reports("retrain_on_drift", AMOUNT, sha256_of(live))
    (request,) = tick(instance, "retrain_on_drift", None).run_requests or []
    config = TrainingConfig(**request.run_config["ops"]["fraud_model"]["config"])
    settings = load_settings()
    split = plan_split(LAST, settings.labels, config.over(settings.training))
    assert (split.fit, split.random) == (DateRange(DAYS[20], DAYS[8]), True)
    assert split.test == DateRange(DAYS[8], DAYS[6])
    daily = plan_split(LAST, settings.labels, settings.training)
    assert daily.fit.last == DAYS[17]
