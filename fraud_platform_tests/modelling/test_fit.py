import json

import msgspec
import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset, prepare
from fraud_platform.modelling.fit import fit
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform_tests.modelling.generated import LABELS, TRAINING, split, window_rows


def fitted(rows: pl.DataFrame, threads: int = 0) -> bytes:
    made = prepare(rows, split(), LABELS, TRAINING)
    return bytes(fit(made.fit, TRAINING, threads=threads).save_raw("ubj"))


def test_the_same_rows_give_the_same_bytes_in_any_order_and_with_any_threads() -> None:
    rows = window_rows()
    first = fitted(rows)
    assert fitted(rows) == first
    assert fitted(rows.sample(fraction=1, shuffle=True, seed=5)) == first
    assert {fitted(rows, threads=threads) for threads in (1, 2, 3)} == {first}


def test_other_rows_give_another_model() -> None:
    assert fitted(window_rows(seed=1)) != fitted(window_rows(seed=2))


def test_the_model_has_the_settings_trees_depth_names_and_weights(
    dataset: Dataset, booster: xgb.Booster
) -> None:
    assert booster.num_boosted_rounds() == TRAINING.trees
    assert booster.feature_names == list(FEATURE_NAMES)
    config = json.loads(booster.save_config())["learner"]
    frauds = int(dataset.fit.is_fraud.sum())
    weight = float(config["objective"]["reg_loss_param"]["scale_pos_weight"])
    assert weight == pytest.approx((dataset.fit.is_fraud.size - frauds) / frauds, rel=1e-5)
    assert float(config["learner_model_param"]["base_score"].strip("[]")) == 0.5
    tree = config["gradient_booster"]["tree_train_param"]
    assert (int(tree["max_depth"]), int(tree["max_bin"])) == (TRAINING.depth, 256)
    assert float(tree["learning_rate"]) == pytest.approx(TRAINING.learning_rate)
    assert config["gradient_booster"]["gbtree_train_param"]["tree_method"] == "hist"


def test_the_model_finds_the_signal(dataset: Dataset, booster: xgb.Booster) -> None:
    scores = predict(booster, dataset.test.matrix)
    is_fraud = dataset.test.is_fraud
    assert scores[is_fraud].mean() > 1.3 * scores[~is_fraud].mean()


def test_progress_is_told_after_each_tree(dataset: Dataset) -> None:
    seen: list[tuple[int, int]] = []
    training = msgspec.structs.replace(TRAINING, trees=4)
    fit(dataset.fit, training, progress=lambda tree, total: seen.append((tree, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_rows_of_one_class_are_refused(dataset: Dataset) -> None:
    none = msgspec.structs.replace(
        dataset.fit, is_fraud=np.zeros(dataset.fit.is_fraud.size, dtype=bool)
    )
    with pytest.raises(TrainingRefused, match="0 of 2,000 rows to fit on are fraud"):
        fit(none, TRAINING)
