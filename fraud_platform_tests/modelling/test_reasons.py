"""Reasons are the model's own contributions, and say in words what their features were."""

import subprocess
import sys

import numpy as np
import pytest
import xgboost as xgb

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.predict import load_booster, margins
from fraud_platform.modelling.reasons import contributions, reasons
from fraud_platform_tests.features.every_kind import EVERY_KIND


def averaged(dataset: Dataset) -> xgb.Booster:
    """A model whose rounds are of three trees each, which are averaged."""
    options = {"objective": "binary:logistic", "num_parallel_tree": 3, "subsample": 0.6, "seed": 1}
    data = xgb.DMatrix(
        dataset.test.matrix, dataset.test.is_fraud, feature_names=list(FEATURE_NAMES)
    )
    return xgb.train(options, data, num_boost_round=10)


@pytest.mark.parametrize("parallel", [False, True], ids=["one tree a round", "three trees a round"])
def test_contributions_and_bias_sum_to_the_margin(
    dataset: Dataset, booster: xgb.Booster, parallel: bool
) -> None:
    model = averaged(dataset) if parallel else booster
    matrix = dataset.test.matrix
    found = contributions(model, matrix)
    assert found.shape == (matrix.shape[0], len(FEATURE_NAMES) + 1)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), margins(model, matrix), atol=1e-5)
    assert np.abs(found[:, :-1]).max() > 0.1
    assert np.unique(found[:, -1]).size == 1  # the bias is of the model, not of the row


def test_one_float64_row_contributes_as_it_does_in_a_batch(
    dataset: Dataset, booster: xgb.Booster
) -> None:
    served = load_booster(bytes(booster.save_raw("ubj")), FEATURE_NAMES)
    batch = contributions(booster, dataset.test.matrix)
    for i in range(20):
        row = dataset.test.matrix[i : i + 1].astype(np.float64) * (1 + 1e-12)
        np.testing.assert_array_equal(contributions(served, row)[0], batch[i])


def test_reasons_are_the_strongest_contributions_in_order(
    dataset: Dataset, booster: xgb.Booster
) -> None:
    for row in dataset.test.matrix[:50]:
        found = reasons(booster, row.tolist(), 3)
        moved = contributions(booster, row[np.newaxis, :])[0, :-1]
        strengths = [abs(one.contribution) for one in found]
        assert strengths == sorted(np.abs(moved), reverse=True)[:3]
        for one in found:
            at = FEATURE_NAMES.index(one.feature)
            assert one.contribution == moved[at]
            assert one.direction == ("for fraud" if moved[at] > 0 else "against fraud")
            assert (one.value is None) == np.isnan(row[at])
            assert one.value is None or one.value == row[at]
            assert one.text


def test_a_feature_that_moved_nothing_is_no_reason(dataset: Dataset, booster: xgb.Booster) -> None:
    row = dataset.test.matrix[0]
    found = reasons(booster, row.tolist(), len(FEATURE_NAMES))
    moved = contributions(booster, row[np.newaxis, :])[0, :-1]
    assert len(found) == np.count_nonzero(moved) < len(FEATURE_NAMES)
    assert reasons(booster, row.tolist(), 0) == []


def test_the_largest_effect_is_named_first_and_put_into_words() -> None:
    """A model that knows nothing but one feature has that one as its only reason."""
    random = np.random.default_rng(1)
    matrix = random.normal(size=(300, len(EVERY_KIND.names))).astype(np.float32)
    at = EVERY_KIND.names.index("count_1h")
    matrix[:, at] = random.integers(0, 9, 300)
    data = xgb.DMatrix(matrix, matrix[:, at] > 5, feature_names=list(EVERY_KIND.names))
    model = xgb.train({"objective": "binary:logistic", "max_depth": 1}, data, num_boost_round=1)
    vector = [float("nan")] * len(EVERY_KIND.names)
    vector[at] = 6.0

    (often,) = reasons(model, vector, 3, EVERY_KIND)
    vector[at] = 1.0
    (seldom,) = reasons(model, vector, 3, EVERY_KIND)

    assert (often.feature, often.value, often.direction) == ("count_1h", 6.0, "for fraud")
    assert often.text == "6 payments of the user in the last hour"
    assert seldom.text == "1 payment of the user in the last hour"
    assert seldom.direction == "against fraud"
    assert seldom.contribution < 0 < often.contribution


@pytest.mark.parametrize("shape", [(1, 3), (len(FEATURE_NAMES),)])
def test_a_matrix_of_another_shape_is_refused(booster: xgb.Booster, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"for a model of {len(FEATURE_NAMES)} features"):
        contributions(booster, np.zeros(shape))


def test_the_module_stays_light_for_the_service() -> None:
    heavy = ["polars", "duckdb", "matplotlib", "dagster", "mlflow", "feast", "litestar"]
    code = (
        "import sys, fraud_platform.modelling.reasons\n"
        f"print([m for m in sys.modules if m in {heavy!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
