"""One dataset and one model for all tests that only read them."""

import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.modelling.costs import Costs, costs_of
from fraud_platform.modelling.dataset import Dataset, prepare
from fraud_platform.modelling.fit import fit
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.scored import with_scores
from fraud_platform_tests.modelling.generated import LABELS, TRAINING, split, window_rows


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return prepare(window_rows(), split(), LABELS, TRAINING)


@pytest.fixture(scope="session")
def booster(dataset: Dataset) -> xgb.Booster:
    return fit(dataset.fit, TRAINING)


@pytest.fixture(scope="session")
def scored(dataset: Dataset, booster: xgb.Booster) -> pl.DataFrame:
    """The test days, scored."""
    return with_scores(dataset.test.rows, predict(booster, dataset.test.matrix))


@pytest.fixture(scope="session")
def costs() -> Costs:
    return costs_of(TRAINING)
