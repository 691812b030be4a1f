"""`deployed_model` before a gate that refuses: the run succeeds, and the live model stays."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import msgspec
import polars as pl
import pytest
from dagster import AssetCheckKey, AssetKey

from fraud_platform.contracts.monitoring import GateResult
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.local_kafka import free_port
from fraud_platform.modelling.bundle import champion_path
from fraud_platform.modelling.gate import CONDITIONS
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.promotions import By, rollback
from fraud_platform.modelling.remote_bundles import RemoteBundles
from fraud_platform.modelling.shadow import shadow_path
from fraud_platform.registry import Registered, Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.modelling.generated import DAY
from fraud_platform_tests.registered import register, report
from fraud_platform_tests.s3_server import S3Server
from fraud_platform_tests.serving.conftest import models
from fraud_platform_tests.world import LAST, make

__all__ = ["models"]

pytestmark = pytest.mark.usefixtures("tables")
ASSET = AssetKey("deployed_model")
BEFORE = DAY - timedelta(days=1)


@pytest.fixture
def on() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def live(tracking: Path, models: dict[str, Path], on: dg.DagsterInstance) -> Registered:
    """The model of the day before, which was let in."""
    registered = register(models["1"], 0.41, day=BEFORE)
    make(["deployed_model"], BEFORE, BEFORE, on)
    return registered


def told() -> list[tuple[str, str, str | None]]:
    found = entries(load_settings().bundles_dir)
    return [(one.action, one.model_version, one.from_version) for one in found]


def passed(on: dg.DagsterInstance) -> dict[str, bool]:
    """The last outcome of each check of the asset."""
    found = {}
    for name in ("evaluated", "not_older", "intact", *CONDITIONS):
        record = on.event_log_storage.get_latest_asset_check_execution_by_key(
            [AssetCheckKey(ASSET, name)]
        )
        evaluation = record[AssetCheckKey(ASSET, name)].event
        assert evaluation is not None
        event = evaluation.dagster_event
        assert event is not None
        found[name] = event.asset_check_evaluation_data.passed
    return found


def test_the_first_model_is_let_in_with_every_condition_as_a_check(
    live: Registered, on: dg.DagsterInstance
) -> None:
    assert all(passed(on).values())
    event = on.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == BEFORE.isoformat()
    (entry,) = entries(load_settings().bundles_dir)
    assert (entry.who, entry.run_id, entry.gate) == ("deployed_model", event.run_id, "passed")
    assert "above both chance (0.0500) and the amount rule (0.2000)" in entry.why
    champion = Registry(load_settings()).champion()
    assert champion is not None
    assert champion.version == live.version


def test_a_refusal_is_no_fault_of_the_run_and_says_why(
    models: dict[str, Path], live: Registered, on: dg.DagsterInstance
) -> None:
    worse = register(models["2"], 0.4, against=live)
    before = champion_path(load_settings().bundles_dir)
    ran = make(["deployed_model"], DAY, DAY, on)
    run = on.get_run_by_id(ran.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.SUCCESS
    (warning,) = ran.warnings
    assert warning == (
        "deployed_model better: its average precision 0.4000 on 3 test days is not above the "
        "champion v1's 0.4100"
    )
    assert [name for name, good in passed(on).items() if not good] == ["better"]
    event = on.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.run_id != ran.run_id
    assert champion_path(load_settings().bundles_dir) == before
    assert shadow_path(load_settings().bundles_dir) is None
    verdict = Registry(load_settings()).verdict(worse)
    assert verdict is not None
    assert verdict.refusal.startswith("fraud_detector v2 was not promoted: its average precision")
    assert told() == [("promote", "1", None)]
    said = msgspec.json.decode(load_settings().gate_file.read_bytes(), type=GateResult)
    assert (said.partition, said.model_version, said.at) == (str(DAY), "2", verdict.at)
    assert (said.passed, said.refusal) == (False, verdict.refusal)
    assert [name for name, held in said.conditions.items() if not held] == ["better"]


def test_a_refused_challenger_goes_into_the_shadow_until_one_is_promoted(
    models: dict[str, Path],
    live: Registered,
    on: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_GATE_SHADOW", "refused")
    worse = register(models["2"], 0.4, against=live)
    make(["deployed_model"], DAY, DAY, on)
    root = load_settings().bundles_dir
    shadow = shadow_path(root)
    assert shadow is not None
    assert shadow.name.startswith(f"{DAY}-v{worse.version}-")
    assert told() == [("promote", "1", None)]
    report(worse, 0.4, against=live, theirs=0.3)
    make(["deployed_model"], DAY, DAY, on)
    assert champion_path(root) == shadow
    assert shadow_path(root) is None


def test_a_challenger_that_no_service_takes_stays_out_of_the_shadow(
    models: dict[str, Path],
    live: Registered,
    on: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_GATE_SHADOW", "refused")
    register(models["2"], 0.5, against=live, features=[*FEATURE_NAMES, "gone"])
    make(["deployed_model"], DAY, DAY, on)
    assert not passed(on)["schema"]
    assert shadow_path(load_settings().bundles_dir) is None


def test_a_model_that_was_rolled_back_does_not_return_by_itself(
    models: dict[str, Path], live: Registered, on: dg.DagsterInstance
) -> None:
    register(models["2"], 0.5, against=live)
    make(["deployed_model"], DAY, DAY, on)
    rollback(load_settings().bundles_dir, By(who="bob", why="alarms all night"))
    ran = make(["deployed_model"], DAY, DAY, on)
    assert any("bob rolled it back" in warning for warning in ran.warnings)
    assert [one[0] for one in told()] == ["promote", "promote", "rollback"]
    champion = Registry(load_settings()).champion()
    assert champion is not None
    assert champion.version == live.version


def test_made_again_it_changes_nothing_and_keeps_what_the_gate_said(
    models: dict[str, Path], live: Registered, on: dg.DagsterInstance
) -> None:
    better = register(models["2"], 0.5, against=live)
    make(["deployed_model"], DAY, DAY, on)
    said = Registry(load_settings()).verdict(better)
    # Compared with itself it would not be better.
    report(better, 0.5, against=better, theirs=0.5)
    ran = make(["deployed_model"], DAY, DAY, on)
    assert ran.warnings == []
    assert told() == [("promote", "1", None), ("promote", "2", "1")]
    assert Registry(load_settings()).verdict(better) == said


def test_a_report_that_compares_with_a_model_replaced_since_is_refused(
    models: dict[str, Path], live: Registered, on: dg.DagsterInstance
) -> None:
    stale = register(models["2"], 0.6, against=live)
    report(stale, 0.6, against=stale)
    ran = make(["deployed_model"], DAY, DAY, on)
    assert "compares it with v2 while v1 is live" in ran.warnings[0]


def test_a_damaged_report_is_no_report(
    models: dict[str, Path], live: Registered, on: dg.DagsterInstance
) -> None:
    broken = register(models["2"], float("nan"), against=live)
    assert broken.version == "2"
    with pytest.raises(PredictFlowError, match="evaluated broken by 1 row"):
        make(["deployed_model"], DAY, DAY, on)
    assert told() == [("promote", "1", None)]


def test_features_that_are_served_otherwise_keep_the_model_out(
    models: dict[str, Path],
    live: Registered,
    on: dg.DagsterInstance,
    tables: Lake,
) -> None:

    after = LAST + timedelta(days=1)
    rows = tables.read(TRANSACTION_FEATURES, LAST, after)
    changed = rows.with_columns(pl.col("user_tx_count_24h") + 1)
    tables.replace_days(TRANSACTION_FEATURES, LAST, after, changed)
    register(models["2"], 0.5, against=live)
    ran = make(["deployed_model"], DAY, DAY, on)
    assert [name for name, good in passed(on).items() if not good] == ["parity"]
    assert f"of {LAST} differ between online and offline" in ran.warnings[0]
    assert told() == [("promote", "1", None)]


def test_a_run_that_could_not_publish_publishes_when_it_is_repeated(
    models: dict[str, Path],
    tracking: Path,
    on: dg.DagsterInstance,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(models["1"], 0.41, day=DAY)
    remote = RemoteBundles(load_settings().serving.bundles_url)
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(PredictFlowError, match="S3 cannot be reached"):
            make(["deployed_model"], DAY, DAY, on)
    assert told() == [("promote", "1", None)]
    assert remote.pointer() is None

    make(["deployed_model"], DAY, DAY, on)

    found = remote.pointer()
    assert found is not None
    assert [found.entry] == entries(load_settings().bundles_dir)
