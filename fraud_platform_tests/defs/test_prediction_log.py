"""`prediction_log`: the service's files of decisions as days of the lake, each decision once."""

import dataclasses
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from fraud_platform.clock import day_start_us
from fraud_platform.contracts.decisions import Decision, LoggedReason, document, encode_decisions
from fraud_platform.contracts.tables import LANDED_EVENTS, PREDICTION_LOG
from fraud_platform.decision_segments import begin_segment, finish_segment, open_segments
from fraud_platform.definitions import defs
from fraud_platform.defs.resources import Platform
from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest import decision_landing
from fraud_platform.ingest.decision_landing import TORN, land_decisions
from fraud_platform.lake.predictions import decision_of_row
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.contracts.test_decisions import a_decision
from fraud_platform_tests.world import make

DAY = datetime.now(UTC).date() - timedelta(days=3)
NEXT = DAY + timedelta(days=1)
FRAUD: dict[str, Any] = {"fraud_probability": 0.75, "is_fraud": True, "action": "block"}
PASSED: dict[str, Any] = FRAUD | {"action": "allow"}
REASON = LoggedReason(feature="amount", value=0.1 + 0.2, contribution=-1e-17, text="a 'word'")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path))
    return load_settings()


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_dir)


def decided(number: int, day: date = DAY, **said: object) -> Decision:
    us = day_start_us(day) + number * 1_000_000
    return a_decision(decision_id=f"d-{number}", decided_us=us, timestamp_us=us, **said)


def write(settings: Settings, decisions: Sequence[Decision], tail: bytes = b"") -> Path:
    """A finished segment."""
    path, handle = begin_segment(settings.decisions_dir)
    os.write(handle, encode_decisions(list(decisions)) + tail)
    finished = finish_segment(path, handle)
    os.close(handle)
    assert finished is not None
    return finished


def logged(lake: Lake, day: date = DAY) -> list[Decision]:
    rows = lake.read(PREDICTION_LOG, day, day + timedelta(days=1))
    return [decision_of_row(row) for row in rows.iter_rows(named=True)]


def landed(lake: Lake) -> pl.DataFrame:
    return lake.read(LANDED_EVENTS, date.min, date.max)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_each_decision_comes_out_of_the_lake_as_it_went_in(settings: Settings, lake: Lake) -> None:
    given = [
        decided(1, features=[0.1 + 0.2, None, -0.0, 5e-324], reasons=[REASON]),
        decided(2, device_id="d", key_id="k", state_age_s=1.5, reasons=[]),
        decided(3, fault="late", degraded=True, degraded_reason="it was late"),
        decided(4, **FRAUD, propensity=0.9, pass_limit_cents=50_000),
        decided(5, **PASSED, propensity=0.1),
        decided(6, **FRAUD, pass_limit_cents=1),
    ]
    write(settings, given)

    make(["landed_events", "prediction_log"], DAY, DAY)

    assert logged(lake) == given
    assert str(logged(lake)[0].features[2]) == "-0.0"


def test_days_of_before_there_were_actions_are_read_with_those_made_since(
    settings: Settings, lake: Lake
) -> None:
    new = {"action", "propensity", "pass_limit_cents"}
    schema = pa.schema([field for field in PREDICTION_LOG.schema if field.name not in new])
    before = dataclasses.replace(PREDICTION_LOG, schema=schema)
    frame = pl.DataFrame([document(decided(1)), document(decided(2, **FRAUD))])
    lake.replace_days(before, DAY, NEXT, frame.with_columns(event_date=pl.lit(DAY)))

    assert logged(lake) == [decided(1), decided(2, **FRAUD)]
    write(settings, [decided(3, NEXT, **FRAUD, propensity=0.9)])
    make(["landed_events", "prediction_log"], NEXT, NEXT)

    assert logged(lake) == [decided(1), decided(2, **FRAUD)]
    assert [one.propensity for one in logged(lake, NEXT)] == [0.9]


def test_a_decision_landed_twice_is_logged_once_and_a_rerun_changes_nothing(
    settings: Settings, lake: Lake
) -> None:
    given = [decided(1), decided(2)]
    write(settings, given)
    make(["landed_events", "prediction_log"], DAY, DAY)
    write(settings, given)  # as of a batch that Kafka took and did not confirm
    make(["landed_events", "prediction_log"], DAY, DAY)
    make(["prediction_log"], DAY, DAY)

    assert landed(lake).height == 4
    assert logged(lake) == given


def test_a_day_without_decisions_is_made_with_no_rows(settings: Settings, lake: Lake) -> None:
    settings.data_dir.mkdir(exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        make(["prediction_log"], DAY, DAY, instance)
        recorded = instance.get_latest_materialization_event(dg.AssetKey("prediction_log"))

    assert recorded is not None
    assert recorded.asset_materialization is not None
    assert recorded.asset_materialization.metadata["dagster/row_count"].value == 0
    assert logged(lake) == []


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"is_fraud": True}, "verdict_follows"),
        ({"confidence": 0.51}, "verdict_follows"),
        ({"fraud_probability": 1.5, "is_fraud": True, "confidence": 2.0}, "schema"),
        ({"model_sha256": "short"}, "schema"),
        ({"amount_cents": 0}, "schema"),
    ],
)
def test_a_row_that_breaks_the_contract_stops_its_day_and_the_former_stays(
    settings: Settings, lake: Lake, said: dict[str, Any], rule: str
) -> None:
    write(settings, [decided(1)])
    make(["landed_events", "prediction_log"], DAY, DAY)
    write(settings, [decided(2, **said)])

    with pytest.raises(PredictFlowError, match=rule):
        make(["landed_events", "prediction_log"], DAY, DAY)

    assert logged(lake) == [decided(1)]


def test_lines_that_are_no_decisions_go_to_the_quarantine_and_the_others_are_landed(
    settings: Settings, lake: Lake
) -> None:
    ahead = decided(9, DAY + timedelta(days=9))
    write(settings, [decided(1), ahead], tail=b'{"decision_id": 1}\n' + b"\x00" * 9 + b"\n")

    done = land_decisions(settings, lake)

    assert (done.decisions, done.rejected, done.torn) == (1, 3, 0)
    reasons = landed(lake).filter(kind="rejected")["reason"].to_list()
    assert [reason.split(":")[0][:12] for reason in reasons] == [
        "decided_us 1"[:12],
        "not a decisi",
        "not a decisi",
    ]


def test_a_killed_workers_segment_is_taken_over_without_its_torn_line(
    settings: Settings, lake: Lake
) -> None:
    whole, torn = encode_decisions([decided(1), decided(2)]).splitlines()
    _, handle = begin_segment(settings.decisions_dir)
    os.write(handle, whole + b"\n" + torn[:40])

    assert land_decisions(settings, lake).segments == 0  # its writer is at it
    os.close(handle)  # as the kernel does for a killed one
    done = land_decisions(settings, lake)

    assert (done.segments, done.decisions, done.torn) == (1, 1, 1)
    rejected = landed(lake).filter(kind="rejected")
    assert rejected.select("reason", "raw").rows() == [(TORN, torn[:40])]
    assert open_segments(settings.decisions_dir) == []


def test_a_last_line_that_lacks_only_its_end_is_a_whole_one(settings: Settings, lake: Lake) -> None:
    write(settings, [], tail=encode_decisions([decided(1), decided(2)])[:-1])

    assert land_decisions(settings, lake).decisions == 2


@pytest.mark.parametrize("at", ["_set_aside", "_rows"])
def test_a_landing_killed_before_or_after_its_commit_lands_each_line_once(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    write(settings, [decided(1)])
    land_decisions(settings, lake)
    write(settings, [decided(2), decided(3)])
    with monkeypatch.context() as patch:
        patch.setattr(decision_landing, at, killed)
        with pytest.raises(KeyboardInterrupt):
            land_decisions(settings, lake)
    write(settings, [decided(4)])

    land_decisions(settings, lake)
    land_decisions(settings, lake)

    assert sorted(landed(lake)["transaction_id"]) == ["tx-1"] * 4
    assert landed(lake).filter(kind="prediction").height == 4


def test_segments_that_were_landed_go_after_a_day(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, [decided(1)])
    land_decisions(settings, lake)
    kept = settings.decisions_dir / "done"
    assert len(list(kept.glob("*/*.ndjson"))) == 1

    monkeypatch.setattr(decision_landing, "KEPT_S", 0)
    land_decisions(settings, lake)

    assert list(kept.iterdir()) == []


def test_decisions_landed_after_their_day_was_made_make_it_again(
    settings: Settings, lake: Lake
) -> None:
    write(settings, [decided(1)])
    with dg.DagsterInstance.ephemeral() as instance:
        make(["landed_events", "prediction_log"], DAY, DAY, instance)
        write(settings, [decided(2)])
        land_decisions(settings, lake)
        repository = defs().get_repository_def()
        resources = {"platform": Platform()}
        with dg.build_sensor_context(
            instance, repository_def=repository, resources=resources
        ) as context:
            tick = repository.get_sensor_def("late_transactions").evaluate_tick(context)
    (request,) = tick.run_requests or []

    assert [key.to_user_string() for key in request.asset_selection or []] == ["prediction_log"]
    assert request.tags["dagster/asset_partition_range_start"] == DAY.isoformat()
