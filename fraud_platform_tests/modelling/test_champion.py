from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest
import xgboost as xgb

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import MODEL, Manifest, point_champion_at, write_bundle
from fraud_platform.modelling.champion import Champion, Incomparable, read_champion, seen
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.rivals import Contender
from fraud_platform.modelling.split import DateRange
from fraud_platform.modelling.train import Trained
from fraud_platform_tests.modelling.test_bundle import MADE

TEST = DateRange(date(2026, 3, 22), date(2026, 3, 25))


def deploy(root: Path, booster: xgb.Booster, **changes: object) -> Path:
    manifest: Manifest = msgspec.structs.replace(MADE, **changes)
    model = root.with_suffix(".ubj")
    model.write_bytes(booster.save_raw("ubj"))
    bundle = write_bundle(root, manifest, model)
    point_champion_at(root, bundle)
    return bundle


def test_the_live_model_scores_the_rows_as_the_service_does(
    tmp_path: Path, dataset: Dataset, trained: Trained
) -> None:
    root = tmp_path / "bundles"
    deploy(root, trained.booster, calibration=trained.calibration, threshold=0.25)
    champion = read_champion(root, FEATURE_NAMES)
    assert isinstance(champion, Champion)
    found = champion.on(dataset.test)
    assert isinstance(found, Contender)
    assert found.rows.equals(trained.score(dataset.test))
    assert (found.threshold, found.model_version, found.seen) == (0.25, "7", None)
    assert found.sha256 == champion.manifest.sha256[MODEL]


def test_a_model_of_fewer_features_in_another_order_gets_its_own_columns(
    tmp_path: Path, dataset: Dataset
) -> None:
    root, features = tmp_path / "bundles", ["device_new", "amount", "merchant_fraud_rate"]
    matrix = next(dataset.test.chunks(features=features))
    data = xgb.DMatrix(matrix, label=dataset.test.is_fraud, feature_names=features)
    booster = xgb.train({"objective": "binary:logistic"}, data, num_boost_round=3)
    deploy(root, booster, features=features)
    champion = read_champion(root, FEATURE_NAMES)
    assert isinstance(champion, Champion)
    found = champion.on(dataset.test)
    assert isinstance(found, Contender)
    np.testing.assert_array_equal(found.rows["score"].to_numpy(), booster.predict(data))


def test_before_the_first_deployment_there_is_none(tmp_path: Path) -> None:
    assert read_champion(tmp_path / "bundles", FEATURE_NAMES) is None


def test_a_model_of_features_that_the_rows_lack_is_incomparable(
    tmp_path: Path, booster: xgb.Booster
) -> None:
    root = tmp_path / "bundles"
    deploy(root, booster)
    rest = set(FEATURE_NAMES) - {"user_age", "amount_log"}
    assert read_champion(root, rest) == Incomparable(
        "the live model v7 of 2026-03-31 takes amount_log, user_age, which transaction_features "
        "doesn't have"
    )


@pytest.mark.parametrize("name", ["model.ubj", "manifest.json"])
def test_a_damaged_bundle_is_incomparable(tmp_path: Path, booster: xgb.Booster, name: str) -> None:
    root = tmp_path / "bundles"
    path = deploy(root, booster) / name
    path.write_bytes(path.read_bytes()[:-9])
    found = read_champion(root, FEATURE_NAMES)
    assert isinstance(found, Incomparable)
    assert "the live model can't be read" in found.why
    assert name in found.why


def test_a_bundle_of_another_model_than_its_manifest_says_is_incomparable(
    tmp_path: Path, booster: xgb.Booster
) -> None:
    root = tmp_path / "bundles"
    deploy(root, booster, features=list(reversed(FEATURE_NAMES)))
    found = read_champion(root, FEATURE_NAMES)
    assert isinstance(found, Incomparable)
    assert "the model takes the features" in found.why


def test_scores_that_are_no_probabilities_are_incomparable(
    tmp_path: Path, dataset: Dataset, amounts: xgb.Booster
) -> None:
    root = tmp_path / "bundles"
    deploy(root, amounts)
    champion = read_champion(root, FEATURE_NAMES)
    assert isinstance(champion, Champion)
    found = champion.on(dataset.test)
    assert isinstance(found, Incomparable)
    assert "v7 of 2026-03-31 gives no probabilities here" in found.why


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-02-01", "2026-03-21", None),
        ("2026-02-01", "2026-03-22", "2026-03-22"),
        ("2026-03-23", "2026-04-10", "2026-03-23 to 2026-03-24"),
        ("2026-03-25", "2026-04-10", None),
    ],
)
def test_test_days_that_the_live_model_was_fitted_on_are_named(
    first: str, last: str, expected: str | None
) -> None:
    manifest = msgspec.structs.replace(MADE, training_window=(first, last))
    assert seen(manifest, TEST) == expected
