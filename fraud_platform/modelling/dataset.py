"""Feature rows with labels, checked and cut into the parts that training takes."""

from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.split import DateRange, Split
from fraud_platform.modelling.training_checks import (
    check_classes,
    check_columns,
    check_days,
    check_finite,
    check_label_shares,
)
from fraud_platform.settings import Labels, Training


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the window: its labelled rows, ordered by day and transaction.

    `rows` has every column that came in; `matrix` (rows x features, float32, NaN = missing) and
    `is_fraud` (rows, bool) are what XGBoost takes of it, in the same order. `features` names the
    columns of `matrix`.
    """

    name: str
    days: DateRange
    features: tuple[str, ...]
    rows: pl.DataFrame
    matrix: np.ndarray
    is_fraud: np.ndarray


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """The three parts of a split, each with both classes."""

    fit: Part
    validation: Part
    test: Part


def prepare(
    rows: pl.DataFrame,
    split: Split,
    labels: Labels,
    training: Training,
    features: Sequence[str] = FEATURE_NAMES,
) -> Dataset:
    """Checks feature rows joined with their labels, and cuts them by `split`.

    `rows` has `event_date` (Date), `transaction_id`, `user_id`, `amount_cents` (Int64),
    `is_fraud` (Boolean, null = no label known) and the features (Float64, null = missing), in any
    order; days outside the window are left out, and so are rows without a label once each day is
    seen to have enough of them. Raises TrainingRefused, naming the mend, for a column that is
    missing or mistyped, a feature that is infinite or NaN, a day without rows or with too few
    labels, a transaction that comes twice, and a part of one class.
    """
    check_columns(rows, features)
    window = rows.filter(_within(split.window))
    check_days(window, split)
    check_label_shares(window, labels, training)
    check_finite(window, features)
    # An order of its own: the same rows give the same model, however the lake returned them.
    window = window.filter(pl.col("is_fraud").is_not_null()).sort("event_date", "transaction_id")
    parts = {name: _part(window, name, days, features) for name, days in split.parts.items()}
    for part in parts.values():
        check_classes(part.name, part.days, part.is_fraud, labels)
    return Dataset(**parts)


def _within(days: DateRange) -> pl.Expr:
    return pl.col("event_date").is_between(days.start, days.end, closed="left")


def _part(window: pl.DataFrame, name: str, days: DateRange, features: Sequence[str]) -> Part:
    rows = window.filter(_within(days))
    return Part(
        name=name,
        days=days,
        features=tuple(features),
        rows=rows,
        matrix=matrix_of(rows, features),
        is_fraud=rows["is_fraud"].to_numpy().astype(bool),
    )


def matrix_of(rows: pl.DataFrame, features: Sequence[str] = FEATURE_NAMES) -> np.ndarray:
    """The features of `rows` as XGBoost takes them: rows x features, float32, null as NaN."""
    columns = (pl.col(name).fill_null(float("nan")).cast(pl.Float32) for name in features)
    return rows.select(columns).to_numpy(order="c")
