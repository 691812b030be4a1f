"""A feature that was made of the label is found, however it hides; honest ones are let by."""

from collections.abc import Callable

import msgspec
import numpy as np
import polars as pl
import pytest

from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.leaks import single_aucs
from fraud_platform.modelling.train import train
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform_tests.modelling.conftest import Prepared
from fraud_platform_tests.modelling.generated import TRAINING, window_rows

FRAUD = pl.col("is_fraud")
PLANTED: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "the verdict": lambda _: FRAUD.cast(pl.Float64),
    "the verdict turned round": lambda _: 1 - FRAUD.cast(pl.Float64),
    "a value that only frauds have, in the middle": lambda noise: (
        pl.when(FRAUD).then(0.0).otherwise(pl.when(noise > 0).then(5.0).otherwise(-5.0))
    ),
    "missing for all but frauds": lambda noise: pl.when(FRAUD).then(noise),
    "a count with some noise": lambda noise: FRAUD.cast(pl.Float64) * 10 + noise,
}


@pytest.mark.parametrize("how", PLANTED)
def test_a_planted_leak_is_refused_by_name(prepared: Prepared, how: str) -> None:
    leak = PLANTED[how](pl.col("user_mean_amount_30d")).alias("user_tx_count_7d")
    with pytest.raises(TrainingRefused) as refusal:
        train(prepared(window_rows().with_columns(leak)), TRAINING)
    text = str(refusal.value)
    assert text.startswith("user_tx_count_7d alone reaches an AUC of")
    assert "over training.max_single_auc 0.98" in text
    assert "merchant" not in text


def test_honest_features_are_let_by_and_noise_is_worth_nothing(dataset: Dataset) -> None:
    found = single_aucs(dataset.fit.matrix, dataset.fit.is_fraud)
    named = dict(zip(dataset.fit.features, found, strict=True))
    assert named["amount"] > 0.6
    assert 0.3 < named["user_mean_amount_30d"] < 0.7
    assert found.max() < 0.9


def test_the_limit_is_a_setting(dataset: Dataset) -> None:
    strict = msgspec.structs.replace(TRAINING, max_single_auc=0.6)
    with pytest.raises(TrainingRefused, match="amount alone reaches"):
        train(dataset, strict)


def test_a_column_of_missing_values_is_worth_nothing() -> None:
    matrix = np.full((100, 1), np.nan, dtype=np.float32)
    assert single_aucs(matrix, np.arange(100) % 3 == 0)[0] == 0.5
