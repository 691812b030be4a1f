from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.predict import (
    ModelError,
    load_booster,
    predict,
    predict_all,
    predict_both,
)
from fraud_platform.modelling.train import Trained
from fraud_platform_tests.modelling.generated import window_rows


@pytest.fixture(scope="module")
def served(booster: xgb.Booster) -> xgb.Booster:
    """The model as the service has it: from its bytes, with one thread."""
    return load_booster(bytes(booster.save_raw("ubj")), FEATURE_NAMES)


def vectors(dataset: Dataset) -> np.ndarray:
    """The feature vectors that the service would compute: float64, not rounded to float32."""
    test = dataset.test
    rows = window_rows().filter(pl.col("event_date") >= test.days.start)
    ordered = rows.sort("event_date", "transaction_id").select(FEATURE_NAMES)
    assert ordered.height == test.is_fraud.size
    return ordered.fill_null(float("nan")).to_numpy()


def test_one_float64_row_in_the_service_scores_the_same_bits_as_the_batch_in_training(
    dataset: Dataset, booster: xgb.Booster, served: xgb.Booster
) -> None:
    batch = predict(booster, dataset.test.matrix)
    single = [predict(served, row[np.newaxis, :])[0] for row in vectors(dataset)]
    assert batch.tobytes() == np.array(single).tobytes()


def test_scores_are_probabilities_in_float64_that_float32_holds(
    dataset: Dataset, served: xgb.Booster
) -> None:
    scores = predict(served, dataset.test.matrix)
    assert scores.dtype == np.float64
    assert scores.shape == (dataset.test.is_fraud.size,)
    assert ((scores > 0) & (scores < 1)).all()
    np.testing.assert_array_equal(scores, scores.astype(np.float32))


def test_the_layout_of_the_matrix_does_not_matter(dataset: Dataset, served: xgb.Booster) -> None:
    matrix = dataset.test.matrix
    expected = predict(served, matrix)
    np.testing.assert_array_equal(predict(served, np.asfortranarray(matrix)), expected)
    np.testing.assert_array_equal(predict(served, matrix[::-1])[::-1], expected)


def test_scores_equal_xgboosts_own_predict(dataset: Dataset, booster: xgb.Booster) -> None:
    matrix = xgb.DMatrix(dataset.test.matrix, feature_names=list(FEATURE_NAMES))
    np.testing.assert_array_equal(predict(booster, dataset.test.matrix), booster.predict(matrix))


def test_threads_that_share_a_booster_get_the_scores_of_one(
    dataset: Dataset, served: xgb.Booster
) -> None:
    rows = vectors(dataset)[:200]
    expected = predict(served, rows)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: predict(served, rows[i : i + 1])[0], [*range(200)] * 5))
    np.testing.assert_array_equal(found, np.tile(expected, 5))


def test_no_rows_give_no_scores(served: xgb.Booster) -> None:
    assert predict(served, np.empty((0, len(FEATURE_NAMES)))).shape == (0,)


@pytest.mark.parametrize("shape", [(3, 2), (len(FEATURE_NAMES),), (1, len(FEATURE_NAMES), 1)])
def test_a_matrix_of_another_shape_is_refused(served: xgb.Booster, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"for a model of {len(FEATURE_NAMES)} features"):
        predict(served, np.zeros(shape))


def test_bytes_that_are_no_model_are_refused() -> None:
    for raw in (b"", b"not a model", b"{}"):
        with pytest.raises(ModelError, match="not an XGBoost model"):
            load_booster(raw, FEATURE_NAMES)


def test_a_model_of_other_features_is_refused(booster: xgb.Booster) -> None:
    raw = bytes(booster.save_raw("ubj"))
    with pytest.raises(ModelError, match="train it again"):
        load_booster(raw, FEATURE_NAMES[::-1])


def test_scores_before_calibration_come_beside_those_after_it(
    dataset: Dataset, trained: Trained
) -> None:
    test, booster = dataset.test, trained.booster
    assert trained.calibration is not None
    after, before = predict_both(booster, test.chunks(500), trained.calibration)
    expected = predict_all(booster, test.chunks(), trained.calibration)
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_allclose(before, predict(booster, test.matrix), rtol=1e-5)
    bare, same = predict_both(booster, test.chunks(), None)
    np.testing.assert_array_equal(bare, predict(booster, test.matrix))
    np.testing.assert_array_equal(bare, same)
