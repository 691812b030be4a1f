"""A bundle whose model must not answer is not loaded, and the reason names the mend."""

from pathlib import Path

import numpy as np
import pytest
import xgboost

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import BundleError
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Deploy
from serving.model import load_model


def test_a_model_of_other_features_is_refused_with_both_lists(
    settings: Settings, deploy: Deploy
) -> None:
    swapped = [FEATURE_NAMES[1], FEATURE_NAMES[0], *FEATURE_NAMES[2:]]
    bundle = deploy(settings, "1", live=False, features=swapped)

    with pytest.raises(BundleError, match=r"takes the features amount_log, amount, .*this service"):
        load_model(bundle)


@pytest.mark.parametrize(
    ("objective", "columns", "reason"),
    [
        ("reg:squarederror", len(FEATURE_NAMES), "not a probability"),
        ("binary:logistic", 3, "the model takes the features"),
    ],
)
def test_a_model_that_cannot_answer_is_refused(
    settings: Settings,
    deploy: Deploy,
    models: dict[str, Path],
    tmp_path: Path,
    objective: str,
    columns: int,
    reason: str,
) -> None:
    rows = np.random.default_rng(1).normal(size=(50, columns))
    targets = np.full(50, 7.0) if "reg" in objective else np.arange(50) % 2
    data = xgboost.DMatrix(rows, targets, feature_names=list(FEATURE_NAMES[:columns]))
    odd = tmp_path / "odd.ubj"
    xgboost.train({"objective": objective}, data, 3).save_model(odd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models, "odd", odd)
        bundle = deploy(settings, "odd", live=False)
    with pytest.raises(BundleError, match=reason):
        load_model(bundle)


def test_bytes_that_are_no_model_are_refused(
    settings: Settings, deploy: Deploy, models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "text.ubj").write_bytes(b"not a model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models, "text", tmp_path / "text.ubj")
        bundle = deploy(settings, "text", live=False)

    with pytest.raises(BundleError, match="not an XGBoost model"):
        load_model(bundle)


def test_a_good_bundle_loads_and_says_what_it_is(settings: Settings, deploy: Deploy) -> None:
    bundle = deploy(settings, "2")

    model = load_model(bundle)

    assert model.manifest.model_version == "2"
    assert model.loaded_at.tzinfo is not None
