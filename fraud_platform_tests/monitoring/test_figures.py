"""The platform's figures: gathered from a real lake, Dagster's runs and the reports' files."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pytest

from fraud_platform.alerts.state import Waiting, changed
from fraud_platform.contracts.monitoring import (
    DayQuality,
    DayState,
    Figures,
    GateResult,
    LiveParity,
    Quality,
    QualityReport,
    TableState,
)
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.ingest.first_day import note_days
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import MODEL
from fraud_platform.modelling.reference import build_reference
from fraud_platform.monitoring.drift import judge_day, reference_of
from fraud_platform.monitoring.drift_day import DriftReport, keep
from fraud_platform.monitoring.figures import gather
from fraud_platform.monitoring.figures_file import read_figures, write_figures
from fraud_platform.settings import Drift, Settings
from fraud_platform_tests.alerts.raised import alert
from fraud_platform_tests.lake.rows import D1, D2, D3, D4, landed, payments, rows_of
from fraud_platform_tests.serving.conftest import deploy, models
from fraud_platform_tests.serving.parts import Deploy

__all__ = ["deploy", "models"]
NOW = datetime(2026, 3, 6, 5, tzinfo=UTC)
D5 = D4 + timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    note_days(settings, [D1])
    return settings


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_dir)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def land(lake: Lake, *events: tuple[str, date]) -> None:
    start = lake.position(LANDED_EVENTS, "s")
    rows = landed([{"kind": kind, "event_date": day} for kind, day in events])
    lake.append(LANDED_EVENTS, rows, source_id="s", start=start, end=start + len(events))


def fill(lake: Lake, table: Table, day: date, rows: int) -> None:
    frame = rows_of(table, [{"event_date": day, "transaction_id": str(i)} for i in range(rows)])
    lake.replace_days(table, day, day + timedelta(days=1), frame)


def a_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job: str = "day", **tags: str
) -> str:
    defined = dg.Definitions([dg.AssetSpec("a")], jobs=[dg.define_asset_job(job, "*")])
    given = {f"dagster/{name}": value for name, value in tags.items()}
    began = dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(defined.resolve_job_def(job), tags=given, status=began)
    if status == dg.DagsterRunStatus.FAILURE:
        instance.report_run_failed(run)
    return run.run_id


def test_a_new_installation_has_no_figures_and_no_faults(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = Settings(data_dir=tmp_path)
    found = gather(settings, Lake(settings.lake_dir), instance, NOW)
    assert found == Figures(at="2026-03-06T05:00:00+00:00", tables=found.tables)
    assert {(one.newest_day, one.newest_rows, one.rows) for one in found.tables} == {(None, 0, 0)}


def test_a_day_is_made_running_failed_or_missing(
    settings: Settings, lake: Lake, instance: dg.DagsterInstance
) -> None:
    failure, started = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
    land(lake, *[("transaction", day) for day in (D1, D1, D2, D3, D4, D5, D5)], ("rejected", D4))
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 3))
    fill(lake, TRANSACTION_FEATURES, D1, 3)
    of = {"asset_partition_range_start": str(D1), "asset_partition_range_end": str(D3)}
    a_run(instance, failure, **of)  # of D1 to D3, of which D1 was made after all
    newest = a_run(instance, failure, partition=str(D2), will_retry="true")
    under_way = a_run(instance, started, partition=str(D3))
    a_run(instance, started, job="landing", partition=str(D5))

    found = gather(settings, lake, instance, NOW)

    assert found.days == [
        DayState(day=str(D1), state="made", rows=3),
        DayState(day=str(D2), state="failed", rows=1, run_id=newest),
        DayState(day=str(D3), state="running", rows=1, run_id=under_way),
        DayState(day=str(D4), state="missing", rows=1, quarantined=1),
        DayState(day=str(D5), state="missing", rows=2),
    ]
    landed_events, raw = (
        next(one for one in found.tables if one.name == name)
        for name in ("landed_events", "raw_transactions")
    )
    assert landed_events == TableState(
        name="landed_events", newest_day=str(D5), newest_rows=2, rows=7
    )
    assert raw == TableState(name="raw_transactions", newest_day=str(D1), newest_rows=3, rows=3)


def test_runs_that_were_given_up_within_a_day_are_counted(
    settings: Settings, lake: Lake, instance: dg.DagsterInstance
) -> None:
    for tags in ({}, {}, {"will_retry": "true"}):
        a_run(instance, dg.DagsterRunStatus.FAILURE, **tags)
    now = datetime.now(UTC)
    assert gather(settings, lake, instance, now).failed_runs == 2
    assert gather(settings, lake, instance, now + timedelta(hours=25)).failed_runs == 0


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (date(2026, 3, 3), D1, D2),
        (date(2026, 4, 3), date(2026, 3, 4), date(2026, 4, 2)),  # it stands still since D5
        (date(2027, 1, 1), D1, D5),  # a data set of former days
    ],
)
def test_the_days_are_the_last_thirty_or_those_of_a_data_set_of_then(
    settings: Settings, lake: Lake, instance: dg.DagsterInstance, now: date, first: date, last: date
) -> None:
    land(lake, ("transaction", D1), ("transaction", D5))
    moment = datetime.combine(now, datetime.min.time(), UTC)
    days = [one.day for one in gather(settings, lake, instance, moment).days]
    assert (days[0], days[-1]) == (str(first), str(last))
    assert len(days) == min(30, (last - first).days + 1)


def a_drift_report(settings: Settings, day: date) -> DriftReport:
    """A day whose amounts are far from training's, as `drift_report` keeps it."""
    draws = np.random.default_rng(3)
    trained = draws.normal(50, 10, (2_000, 1))
    reference = build_reference(trained, draws.random(2_000), features=["amount"])
    histograms = reference_of("the live model v1", ["amount"], reference)
    moved = draws.normal(90, 10, 2_000)
    judged = judge_day({"amount": moved}, {"amount": []}, histograms, ["amount"], Drift())
    report = DriftReport(
        day=str(day), model_version="1", drifted=judged, findings=["amount: more above 60"]
    )
    keep(settings.drift_dir, report, "a page")
    return report


def a_quality(decided: date, estimate: Any, recall: float) -> DayQuality:
    overall = Quality(
        model_version=None, decisions=9, labelled=8, frauds=4, alarms=5, recall=recall
    )
    return DayQuality(decided=str(decided), estimate=estimate, overall=overall)


def put(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(document))


def test_reports_model_gate_and_alerts_are_taken_up(
    settings: Settings, lake: Lake, instance: dg.DagsterInstance, deploy: Deploy
) -> None:
    deploy(settings, metrics={"recall": 0.8})
    report = a_drift_report(settings, D4)
    early, later = a_quality(D2, "early", 0.5), a_quality(D3, "early", 0.25)
    matured = a_quality(D2, "matured", 0.75)
    for day, days, findings in ((D3, [early], ["old"]), (D4, [matured, later], ["recall is low"])):
        put(
            settings.quality_dir / f"{day}.json",
            QualityReport(day=str(day), days=days, findings=findings),
        )
    parity = LiveParity(day=str(D4), vectors=7, identical=6, skewed={"amount": 1})
    put(settings.quality_dir / f"{D4}.parity.json", parity)
    gate = GateResult(
        partition=str(D4), model_version="2", at="x", passed=False, conditions={"better": False}
    )
    put(settings.gate_file, gate)
    with changed(settings.alerts_dir) as state:
        state.outbox.append(Waiting(id="1", target="webhook", alert=alert()))

    found = gather(settings, lake, instance, NOW)

    assert report.drifted is not None
    (drift,) = found.drift
    assert (drift.drifted, drift.findings) == (["amount"], report.findings)
    assert drift.distances == {"amount": report.drifted.measured[0].distances}
    assert drift.excess["amount"] > 1
    assert found.quality == [matured, later]
    assert found.below_floor == ["recall is low"]
    assert (found.parity, found.gate, found.waiting_alerts) == ([parity], gate, 1)
    assert found.model is not None
    assert (found.model.model_version, found.model.who) == ("1", "test")
    assert found.model.metrics == {"recall": 0.8}
    assert found.faults == []

    write_figures(settings.figures_file, found)
    assert read_figures(settings.figures_file) == found
    assert [path.name for path in settings.figures_file.parent.glob(".*")] == []


def test_what_is_damaged_is_told_of_and_the_rest_is_there(
    settings: Settings, lake: Lake, instance: dg.DagsterInstance, deploy: Deploy
) -> None:
    bundle = deploy(settings)
    a_drift_report(settings, D3)
    damaged = [
        settings.drift_dir / f"{D4}.json",
        settings.quality_dir / f"{D4}.json",
        settings.quality_dir / f"{D4}.parity.json",
        settings.gate_file,
        settings.alerts_dir / "alerts.json",
        bundle / MODEL,
        settings.data_dir / "first_day",
    ]
    for path in damaged:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"day": \xff')
    (settings.lake_dir / "raw_transactions" / "_delta_log").mkdir(parents=True)
    (settings.lake_dir / "raw_transactions" / "_delta_log" / f"{0:020}.json").write_text("{")

    found = gather(settings, lake, instance, NOW)

    assert [one.day for one in found.drift] == [str(D3)]
    assert (found.model, found.gate, found.quality, found.parity) == (None, None, [], [])
    for path in [
        *(path for path in damaged if path.name != MODEL),
        bundle.name,
        "raw_transactions",
    ]:
        assert sum(str(path) in fault for fault in found.faults) == 1, (path, found.faults)
    assert len(found.faults) == len(damaged) + 1


def test_a_file_of_figures_that_is_damaged_is_refused_by_name(settings: Settings) -> None:
    assert read_figures(settings.figures_file) is None
    settings.figures_file.parent.mkdir()
    settings.figures_file.write_text("{")
    with pytest.raises(PredictFlowError, match=str(settings.figures_file)):
        read_figures(settings.figures_file)
