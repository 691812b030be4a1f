"""What the model in the shadow scores is counted beside what the champion decided."""

import json
import threading
from pathlib import Path

import pytest
import xgboost

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.shadow import point_shadow_at
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import (
    Deploy,
    Start,
    eventually,
    put_in_shadow,
    samples,
    shadow_version,
)
from serving import shadow

RISKY, SAFE = 1_000_000, 0.01
"""Amounts that model 1 calls fraud and legitimate."""


def test_scores_differences_and_disagreements_are_counted(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings, "1")
    put_in_shadow(settings, deploy, threshold=0.0)  # it calls everything fraud
    with start(settings) as client:
        assert eventually(lambda: shadow_version(client) == "2")
        for amount in (SAFE, SAFE, RISKY):
            client.post("/predict", json=transaction | {"amount": amount})
        assert eventually(lambda: samples(client)["fraud_shadow_scores_total"] == 3)
        found = samples(client)

        assert found["fraud_shadow_difference_count"] == 3
        assert 0 < found["fraud_shadow_difference_sum"] < 3
        both = "fraud_shadow_disagreements_total,champion={},shadow={}"
        assert found[both.format("legitimate", "fraud")] == 2
        assert found[both.format("fraud", "legitimate")] == 0
        assert found["fraud_predictions_total,prediction=legitimate"] == 2
        told = "model_name=fraud_detector,model_version=2,partition=2024-02-29"
        assert found[f"fraud_shadow_info,{told}"] == 1
        assert found["fraud_shadow_loaded_timestamp_seconds"] > 1.7e9
        point_shadow_at(settings.bundles_dir, deploy(settings, "1", live=False, threshold=0.4))
        assert eventually(lambda: shadow_version(client) == "1")
        assert f"fraud_shadow_info,{told}" not in samples(client)


def test_a_laxer_shadow_is_counted_as_one(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings, "1")
    put_in_shadow(settings, deploy, threshold=1.0)
    with start(settings) as client:
        assert eventually(lambda: shadow_version(client) == "2")
        client.post("/predict", json=transaction | {"amount": RISKY})
        name = "fraud_shadow_disagreements_total,champion=fraud,shadow=legitimate"
        assert eventually(lambda: samples(client)[name] == 1)


def test_a_shadow_that_fails_is_told_once_and_answers_go_on(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    models: dict[str, Path],
    transaction: dict[str, object],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A model that scores the warm-up's small payment but has NaN in the leaf of large ones."""
    deploy(settings, "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models, "odd", odd_model(tmp_path))
        point_shadow_at(settings.bundles_dir, deploy(settings, "odd", live=False))
    with start(settings) as client:
        assert eventually(lambda: shadow_version(client) == "odd")
        for amount in (RISKY, RISKY, SAFE):
            assert client.post("/predict", json=transaction | {"amount": amount}).status_code == 200
        assert eventually(lambda: samples(client)["fraud_shadow_scores_total"] == 1)
        assert samples(client)["fraud_shadow_unscored_total,reason=failed"] == 2
    assert [r.message for r in caplog.records].count("shadow_failed") == 1


def odd_model(folder: Path) -> Path:
    """A tree on the amount alone, whose leaf of amounts over 1,000 is NaN."""
    rows = [[float(i)] + [0.0] * (len(FEATURE_NAMES) - 1) for i in range(2_000)]
    labels = [int(row[0] > 1_000) for row in rows]
    data = xgboost.DMatrix(rows, labels, feature_names=list(FEATURE_NAMES))
    options = {"objective": "binary:logistic", "max_depth": 1, "nthread": 1, "base_score": 0.5}
    xgboost.train(options, data, 1).save_model(folder / "odd.json")
    told = json.loads((folder / "odd.json").read_text())
    (tree,) = told["learner"]["gradient_booster"]["model"]["trees"]
    tree["split_conditions"][tree["right_children"][0]] = float("nan")
    (folder / "odd.json").write_text(json.dumps(told))
    xgboost.Booster(model_file=folder / "odd.json").save_model(folder / "odd.ubj")
    return folder / "odd.ubj"


def test_what_waits_too_long_is_left_out_and_counted(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, real = threading.Event(), shadow.scores
    monkeypatch.setattr(shadow, "WAITING", 3)
    monkeypatch.setattr(shadow, "scores", lambda *given: held.wait(30) and real(*given))
    deploy(settings, "1")
    put_in_shadow(settings, deploy)
    with start(settings) as client:
        assert eventually(lambda: shadow_version(client) == "2")
        for _ in range(10):
            assert client.post("/predict", json=transaction).status_code == 200
        left_out = samples(client)["fraud_shadow_unscored_total,reason=busy"]
        assert 3 <= left_out <= 6  # three wait, and up to four are under way
        held.set()
        assert eventually(lambda: samples(client)["fraud_shadow_scores_total"] == 10 - left_out)
