"""Rows 19 and 21: what must not go live is refused with its reason, and the old model answers."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import MODEL, champion_path
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.promotions import By, rollback
from fraud_platform.registry import Registered, Registry
from fraud_platform.settings import Serving, Settings, load_settings
from fraud_platform_tests.modelling.generated import DAY
from fraud_platform_tests.registered import register
from fraud_platform_tests.serving.parts import eventually
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.world import LAST, make

BEFORE = DAY - timedelta(days=1)
pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
def live(models: dict[str, Path], tracking: Path) -> Registered:
    registered = register(models["1"], 0.41, day=BEFORE)
    make(["deployed_model"], BEFORE, BEFORE)
    return registered


def nan_model(model: Path, to: Path) -> Path:
    """The model with NaN in its first tree's leaves, where every score goes through."""
    booster = xgb.Booster()
    booster.load_model(model)
    document = json.loads(booster.save_raw("json"))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    for node, left in enumerate(tree["left_children"]):
        if left == -1:
            tree["split_conditions"][node] = float("nan")
            tree["base_weights"][node] = float("nan")
    broken = xgb.Booster()
    broken.load_model(bytearray(json.dumps(document).encode()))
    assert np.isnan(broken.inplace_predict(np.zeros((1, len(FEATURE_NAMES)), np.float32))).all()
    broken.save_model(to)
    return to


def version(process: Process, transaction: dict[str, object]) -> str:
    connection = process.connect()
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/predict", json.dumps(transaction), headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert answer.status == 200
    return told["model_version"]


def test_a_worse_one_nan_scores_and_another_schema_are_refused_with_their_reasons(
    models: dict[str, Path], live: Registered, tmp_path: Path
) -> None:
    root = load_settings().bundles_dir
    before = champion_path(root)
    broken = nan_model(models["2"], tmp_path / "nan.ubj")
    mixed = [*FEATURE_NAMES[1:], FEATURE_NAMES[0]]
    other = tmp_path / "other.ubj"
    booster = xgb.Booster()
    booster.load_model(models["2"])
    booster.feature_names = mixed
    booster.save_model(other)
    catalogue = "catalogue has its features in another order"
    for model, metric, features, reason in (
        (models["2"], 0.4, list(FEATURE_NAMES), "0.4000 on 3 test days is not above"),
        (broken, 0.5, list(FEATURE_NAMES), f"of its scores of {LAST} are no probabilities"),
        (other, 0.5, mixed, catalogue),
    ):
        refused = register(model, metric, against=live, features=features)
        ran = make(["deployed_model"], DAY, DAY)
        (warning,) = ran.warnings
        assert reason in warning
        verdict = Registry(load_settings()).verdict(refused)
        assert verdict is not None
        assert reason in verdict.refusal
    assert champion_path(root) == before
    assert Registry(load_settings()).champion() == live


def test_a_tampered_file_is_never_loaded_and_a_bundle_corrupted_on_the_way_not_served(
    models: dict[str, Path],
    live: Registered,
    run: Callable[[Settings], Process],
    transaction: dict[str, object],
) -> None:
    settings = load_settings()
    root = settings.bundles_dir
    process = run(replace(settings, serving=Serving(repeat_seconds=0, poll_seconds=0.02)))
    assert version(process, transaction) == live.version
    better = register(models["2"], 0.5, against=live)
    with Registry(settings).model_file(better.version) as path:
        whole = path.read_bytes()
    (tampered,) = (
        path for path in settings.mlflow_artifacts.rglob(MODEL) if path.read_bytes() == whole
    )
    tampered.write_bytes(whole[:-1] + b"\0")
    with pytest.raises(PredictFlowError, match="intact"):
        make(["deployed_model"], DAY, DAY)
    assert version(process, transaction) == live.version
    tampered.write_bytes(whole)

    make(["deployed_model"], DAY, DAY)
    assert eventually(lambda: version(process, transaction) == better.version, seconds=5)
    promoted = champion_path(root)
    assert promoted is not None
    damaged = promoted / ".damaged"
    damaged.write_bytes(whole[:-1] + b"\0")
    damaged.replace(promoted / MODEL)  # at once, as the service looks all the time
    assert eventually(lambda: "bundle_refused" in process.log_file.read_text(), seconds=5)
    assert version(process, transaction) == better.version  # as it was loaded
    rollback(root, By(who="ann", why="its bundle is damaged"))
    assert eventually(lambda: version(process, transaction) == live.version, seconds=5)
    assert process.log_file.read_text().count("bundle_refused") == 1


def test_a_refused_a_promoted_and_a_rolled_back_model_are_told_apart(
    models: dict[str, Path], live: Registered
) -> None:
    settings = load_settings()
    registry = Registry(settings)
    refused = register(models["2"], 0.4, against=live)
    make(["deployed_model"], DAY, DAY)
    promoted = register(models["2"], 0.5, against=live, rounds=16)
    make(["deployed_model"], DAY, DAY)
    rollback(settings.bundles_dir, By(who="ann", why="too many alarms"))
    registry.follow()
    told = [
        (one.action, one.model_version, one.from_version, one.who, one.why.partition(":")[0])
        for one in entries(settings.bundles_dir)
    ]
    let_in = "the gate let it in"
    assert told == [
        ("promote", live.version, None, "deployed_model", let_in),
        ("promote", promoted.version, live.version, "deployed_model", let_in),
        ("rollback", live.version, promoted.version, "ann", "too many alarms"),
    ]
    verdicts = [registry.verdict(one) for one in (live, refused, promoted)]
    assert [one.passed for one in verdicts if one] == [True, False, True]
    assert registry.champion() == live
