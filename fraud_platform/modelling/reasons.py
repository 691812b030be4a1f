"""Reasons of a prediction: the features that moved it most, in words."""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import xgboost as xgb

from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declared import Declared
from fraud_platform.features.in_words import in_words
from fraud_platform.modelling.predict import model_rows


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What one feature did to a prediction.

    `value` is None where it is missing; `contribution` is in log-odds of the model's own margin,
    before any calibration; `text` says the value in words.
    """

    feature: str
    value: float | None
    contribution: float
    text: str

    @property
    def direction(self) -> Literal["for fraud", "against fraud"]:
        """What it speaks for."""
        return "for fraud" if self.contribution > 0 else "against fraud"


def contributions(booster: xgb.Booster, matrix: np.ndarray) -> np.ndarray:
    """What each feature adds to the margins of `matrix` (rows x features), and the bias at last.

    Float64 of shape (rows, features + 1), in log-odds; each row sums to its margin but for float32
    rounding. These are SHAP values: Lundberg, Erion, Lee, Consistent individualized feature
    attribution for tree ensembles, 2018. Raises ValueError for another number of columns.
    """
    rows = xgb.DMatrix(model_rows(booster, matrix), nthread=1)
    found = booster.predict(rows, pred_contribs=True, validate_features=False)
    return found.astype(np.float64)


def reasons(
    booster: xgb.Booster, vector: Sequence[float], most: int, catalogue: Declared = CATALOGUE
) -> list[Reason]:
    """Up to `most` features that moved the margin of one vector most, either way, strongest first.

    `vector` has the catalogue's features in order, NaN where missing. A feature that moved nothing
    is no reason.
    """
    moved = contributions(booster, np.array([vector]))[0]
    return reasons_from(moved, vector, most, catalogue)


def reasons_from(
    moved: np.ndarray, vector: Sequence[float], most: int, catalogue: Declared = CATALOGUE
) -> list[Reason]:
    """The same from a row of `contributions`."""
    return [
        _reason(catalogue, catalogue.names[i], float(vector[i]), value)
        for i, value in strongest(moved, most)
    ]


def strongest(moved: np.ndarray, most: int) -> list[tuple[int, float]]:
    """Place and contribution of those features in a row of `contributions`."""
    places = np.argsort(-np.abs(moved[:-1]), kind="stable")[:most]
    return [(int(i), float(moved[i])) for i in places if moved[i] != 0]


def _reason(catalogue: Declared, name: str, value: float, contribution: float) -> Reason:
    return Reason(
        feature=name,
        value=None if math.isnan(value) else value,
        contribution=contribution,
        text=in_words(catalogue, name, value),
    )
