import json

import msgspec
import numpy as np
import polars as pl
import pytest
import xgboost as xgb
from sklearn.metrics import average_precision_score

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.fit import MAX_BIN, binned, fit, positive_weight
from fraud_platform.modelling.monotone import constraints
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform_tests.modelling.conftest import Prepared
from fraud_platform_tests.modelling.generated import TRAINING, window_rows


def fitted(made: Dataset, threads: int = 0) -> bytes:
    booster = fit(made.fit, TRAINING, validation=made.validation, threads=threads)
    return bytes(booster.save_raw("ubj"))


def test_the_same_rows_give_the_same_bytes_in_any_order_and_with_any_threads(
    prepared: Prepared,
) -> None:
    rows = window_rows()
    first = fitted(prepared(rows))
    assert fitted(prepared(rows)) == first
    assert fitted(prepared(rows.sample(fraction=1, shuffle=True, seed=5))) == first
    assert {fitted(prepared(rows), threads=threads) for threads in (1, 2, 3)} == {first}


def test_other_rows_give_another_model(prepared: Prepared) -> None:
    assert fitted(prepared(window_rows(seed=1))) != fitted(prepared(window_rows(seed=2)))


def test_trees_end_where_the_validation_rows_were_best(dataset: Dataset) -> None:
    training = msgspec.structs.replace(TRAINING, trees=200, early_stopping_rounds=5, depth=6)
    stopped = fit(dataset.fit, training, validation=dataset.validation)
    rounds = stopped.num_boosted_rounds()
    assert rounds < 100
    area = {}
    for trees in (max(1, rounds - 1), rounds, rounds + 5):
        other = fit(dataset.fit, msgspec.structs.replace(training, trees=trees))
        scores = predict(other, dataset.validation.matrix)
        area[trees] = average_precision_score(dataset.validation.is_fraud, scores)
        if trees == rounds:
            np.testing.assert_array_equal(scores, predict(stopped, dataset.validation.matrix))
    assert area[rounds] == max(area.values())


def test_a_monotone_model_never_falls_with_what_speaks_for_fraud(dataset: Dataset) -> None:
    training = msgspec.structs.replace(TRAINING, monotone=True, depth=6)
    matrix = dataset.test.matrix
    for name in ("merchant_fraud_rate", "device_new"):
        column = FEATURE_NAMES.index(name)
        low, high = matrix.copy(), matrix.copy()
        low[:, column], high[:, column] = 0.0, 1.0
        booster = fit(dataset.fit, training)
        assert (predict(booster, high) >= predict(booster, low)).all()
    assert "merchant_age" not in constraints(FEATURE_NAMES)


def test_a_part_read_in_pieces_gives_the_bytes_of_the_whole(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pieces that XGBoost is handed don't change what it bins."""
    whole = xgb.QuantileDMatrix(
        dataset.fit.matrix, dataset.fit.is_fraud.astype(np.float32), max_bin=MAX_BIN
    )
    assert binned(dataset.fit).num_row() == whole.num_row()
    for made, plain in zip(
        binned(dataset.fit).get_quantile_cut(), whole.get_quantile_cut(), strict=True
    ):
        np.testing.assert_array_equal(made, plain)


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


def test_rows_weigh_in_the_fit_by_their_weight(dataset: Dataset) -> None:
    part = dataset.fit
    weight = np.where(part.is_fraud, 3.0, 1.0)
    weighed = msgspec.structs.replace(part, rows=part.rows.with_columns(weight=pl.Series(weight)))
    alike = msgspec.structs.replace(part, rows=part.rows.with_columns(weight=1.0))
    frauds, rest = part.is_fraud.sum(), (~part.is_fraud).sum()
    training = msgspec.structs.replace(TRAINING, trees=60, learning_rate=0.3, class_balance=0.0)

    scores = predict(fit(weighed, training), part.matrix)

    # In the sample the scores add up to the frauds, as they count.
    assert np.average(scores, weights=weight) == pytest.approx(
        np.average(part.is_fraud, weights=weight), rel=0.02
    )
    assert positive_weight(weighed, TRAINING) == pytest.approx(rest / (3 * frauds))
    assert fit(alike, TRAINING).save_raw("ubj") == fit(part, TRAINING).save_raw("ubj")
