"""Scores from a model: the one way that training, evaluation and the service all take.

Serving and evaluation must agree to the last bit, or a decision could not be recomputed. What
makes them agree: XGBoost works in float32, so rows are cast to float32 here, once, by numpy; each
row's trees are summed in the same order whatever the batch or the number of threads; and the
float32 score is widened to float64, so that calibration and the comparison with a threshold are not
made in float32.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import xgboost as xgb

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.calibration import Calibration


class ModelError(PredictFlowError):
    """Model bytes that are no XGBoost model, or one of other features than expected."""


def predict(
    booster: xgb.Booster, matrix: np.ndarray, calibration: Calibration | None = None
) -> np.ndarray:
    """Fraud probabilities of `matrix` (rows x features, NaN = missing) as float64 of shape (rows,).

    One row gives the same bits as that row in any batch, float64 rows the same as float32 ones.
    Safe to call from several threads at once on a booster from `load_booster`. Raises ValueError
    where the number of columns isn't the model's number of features.
    """
    if calibration is None:
        return _scores(booster, matrix, "value")
    return calibration.probability(margins(booster, matrix))


def margins(booster: xgb.Booster, matrix: np.ndarray) -> np.ndarray:
    """The model's own log-odds, before any calibration, otherwise as `predict`."""
    return _scores(booster, matrix, "margin")


def predict_all(
    booster: xgb.Booster, chunks: Iterable[np.ndarray], calibration: Calibration | None = None
) -> np.ndarray:
    """`predict` of all rows of the chunks."""
    return np.concatenate([np.empty(0), *(predict(booster, one, calibration) for one in chunks)])


def predict_both(
    booster: xgb.Booster, chunks: Iterable[np.ndarray], calibration: Calibration | None
) -> tuple[np.ndarray, np.ndarray]:
    """`predict_all`, and beside it the model's scores before calibration, both of shape (rows,)."""
    if calibration is None:
        scores = predict_all(booster, chunks)
        return scores, scores
    margin = np.concatenate([np.empty(0), *(margins(booster, one) for one in chunks)])
    return calibration.probability(margin), np.exp(-np.logaddexp(0, -margin))


def _scores(booster: xgb.Booster, matrix: np.ndarray, kind: str) -> np.ndarray:
    if matrix.ndim != 2 or matrix.shape[1] != booster.num_features():
        raise ValueError(
            f"matrix of shape {matrix.shape} for a model of {booster.num_features()} features; "
            "expected (rows, features)"
        )
    rows = np.ascontiguousarray(matrix, dtype=np.float32)
    scores = booster.inplace_predict(rows, predict_type=kind, validate_features=False)
    return scores.astype(np.float64).reshape(-1)  # of no rows XGBoost makes the shape (0, 0)


def load_booster(model: bytes, features: Sequence[str], *, threads: int = 1) -> xgb.Booster:
    """The booster of `model` bytes (UBJ), ready to score; raises ModelError if it is another one.

    `features` are the names in the order that rows will have. One thread is the fastest for one
    row, and keeps concurrent requests from sharing OpenMP's pool. Verify the bytes before, as
    `read_bundle` does: XGBoost's reader raises for most damage, but not for all of it.
    """
    if not model:  # XGBoost aborts the process here
        raise ModelError("not an XGBoost model: it is empty")
    booster = xgb.Booster({"nthread": threads})
    try:
        booster.load_model(bytearray(model))
    except xgb.core.XGBoostError as error:
        raise ModelError(f"not an XGBoost model: {str(error).splitlines()[0]}") from error
    if booster.feature_names != list(features):
        raise ModelError(
            f"the model takes the features {booster.feature_names}, expected {list(features)}; "
            "train it again with this version"
        )
    # The first call configures the booster, which isn't safe while another thread predicts.
    predict(booster, np.full((1, len(features)), np.nan))
    return booster
