"""One dataset and one model for all tests that only read them."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.clock import days_between
from fraud_platform.modelling.costs import Costs, costs_of
from fraud_platform.modelling.dataset import Dataset, prepare
from fraud_platform.modelling.fit import fit
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.scored import with_scores
from fraud_platform.modelling.split import plan_split
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import DAY, LABELS, TRAINING, window_rows

Prepared = Callable[..., Dataset]


def by_day(rows: pl.DataFrame, first: date, end: date) -> list[tuple[date, pl.DataFrame]]:
    return [(day, rows.filter(pl.col("event_date") == day)) for day in days_between(first, end)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """`prepare` of rows of the window that ends as of DAY."""

    def make(rows: pl.DataFrame, training: Training = TRAINING) -> Dataset:
        split = plan_split(DAY, LABELS, training)
        days = by_day(rows, split.window.start, split.window.end)
        return prepare(days, split, LABELS, training, tmp_path_factory.mktemp("matrices"))

    return make


@pytest.fixture(scope="session")
def dataset(prepared: Prepared) -> Dataset:
    return prepared(window_rows())


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
