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
from fraud_platform.modelling.record import TrainingRecord
from fraud_platform.modelling.scored import with_scores
from fraud_platform.modelling.split import plan_split
from fraud_platform.modelling.train import Trained, train
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import DAY, LABELS, TRAINING, split, window_rows

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
def trained(dataset: Dataset) -> Trained:
    return train(dataset, TRAINING)


@pytest.fixture(scope="session")
def record(trained: Trained) -> TrainingRecord:
    """What the training of `trained` left."""
    return TrainingRecord(
        partition=DAY.isoformat(),
        created_at="2026-04-01T02:00:00Z",
        features=list(trained.booster.feature_names or []),
        training=TRAINING,
        split=split(),
        rounds=trained.booster.num_boosted_rounds(),
        calibration=trained.calibration,
        threshold=trained.threshold,
        amount_rule=trained.amount_rule,
        table_versions={"transaction_labels": 38, "transaction_features": 41},
        reference={},
    )


@pytest.fixture(scope="session")
def amounts(dataset: Dataset) -> xgb.Booster:
    """A model of amounts, whose scores are no probabilities."""
    test = dataset.test
    data = xgb.DMatrix(
        test.matrix, label=test.rows["amount_cents"], feature_names=list(test.features)
    )
    return xgb.train({"objective": "reg:squarederror"}, data, num_boost_round=1)


@pytest.fixture(scope="session")
def costs() -> Costs:
    return costs_of(TRAINING)
