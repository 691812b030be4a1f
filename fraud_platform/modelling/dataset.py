"""Feature rows with labels, checked and cut into the parts that training takes, day by day.

A window of thirty million rows doesn't fit into memory as a frame, and XGBoost reads its input
several times. So each day is checked as it comes, its matrix goes to a file of its part, and of its
rows only what evaluation needs stays.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.split import DateRange, Split
from fraud_platform.modelling.training_checks import (
    check_classes,
    check_columns,
    check_day,
    check_days_present,
    check_finite,
    check_label_shares,
)
from fraud_platform.propensity import Weighed, weighed
from fraud_platform.settings import Labels, Training

KEPT = ("event_date", "transaction_id", "user_id", "amount_cents", "is_fraud")
SLICED = ("device_new", "merchant_age")
"""Features by whose values evaluation cuts its slices."""
CHUNK = 1_000_000


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the window: its labelled rows, ordered by day and transaction.

    `rows` has the columns KEPT and SLICED, and `weight` where rows don't count alike; `is_fraud`
    (rows, bool) and the matrix in `file` (rows x `features`, float32, NaN = missing) are in the
    same order. `weighed` is None where nothing was drawn.
    """

    name: str
    days: DateRange
    features: tuple[str, ...]
    rows: pl.DataFrame
    is_fraud: np.ndarray
    file: Path
    weighed: Weighed | None = None

    def chunks(
        self, most: int = CHUNK, features: Sequence[str] | None = None
    ) -> Iterator[np.ndarray]:
        """The matrix, at most `most` rows at a time; of `features` only, in that order, where they
        are named."""
        width = len(self.features)
        columns = [self.features.index(name) for name in features or self.features]
        whole = columns == list(range(width))
        for first in range(0, self.is_fraud.size, most):
            count = min(most, self.is_fraud.size - first) * width
            read = np.fromfile(self.file, np.float32, count, offset=4 * first * width)
            chunk = read.reshape(-1, width)
            yield chunk if whole else chunk[:, columns]

    @property
    def matrix(self) -> np.ndarray:
        """The whole matrix."""
        return np.fromfile(self.file, np.float32).reshape(-1, len(self.features))

    def sample(self, most: int) -> np.ndarray:
        """At most `most` rows of the matrix, evenly spread."""
        step = max(1, -(-self.is_fraud.size // most))
        whole = CHUNK // step * step  # each chunk begins with a row that is taken
        return np.concatenate([chunk[::step] for chunk in self.chunks(whole)])


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """The three parts of a split, each with both classes; validation is empty where it has no
    days."""

    fit: Part
    validation: Part
    test: Part


def prepare(
    days: Iterable[tuple[date, pl.DataFrame]],
    split: Split,
    labels: Labels,
    training: Training,
    scratch: Path,
    features: Sequence[str] = FEATURE_NAMES,
) -> Dataset:
    """Checks days of feature rows joined with their labels, and cuts them by `split`.

    Each day's rows have `event_date` (Date), `transaction_id`, `user_id`, `amount_cents` (Int64),
    `is_fraud` (Boolean, null = no label known) and the features (Float64, null = missing), in any
    order; days outside the window, or in its gap, are left out, and so are rows without a label
    once the day is seen to have enough of them. With `weight` and `over_limit` (see `propensity`)
    rows without a weight are left out, and of the test part those over the limit. The matrices are
    written into `scratch`, an empty directory that must outlive the result. Raises TrainingRefused,
    naming the mend, for a column that is missing or mistyped, a feature that is infinite or NaN, a
    day without rows or with too few labels, a transaction that comes twice, and a part of one
    class.
    """
    kept = [*KEPT, *(name for name in SLICED if name in features)]
    frames: dict[str, list[pl.DataFrame]] = {name: [] for name in split.parts}
    files = {name: scratch / f"{name}.f32" for name in split.parts}
    left_out: dict[str, list[pl.DataFrame]] = {name: [] for name in split.parts}
    absent = []
    for path in files.values():
        path.touch(exist_ok=False)
    for day, given in days:
        names = [name for name, span in split.parts.items() if span.start <= day < span.end]
        if not names:
            continue
        check_columns(given, features)
        if given.is_empty():
            absent.append(day)
            continue
        check_day(day, given)
        rows = given
        if "weight" in given.columns:
            rows, dropped = _counted(given, names)
            for name in names:
                left_out[name].append(dropped)
        check_label_shares(day, rows, labels, training)
        check_finite(day, rows, features)
        # An order of its own: the same rows give the same model, however the lake returned them.
        ordered = rows.filter(pl.col("is_fraud").is_not_null()).sort("transaction_id")
        for name, part in _shared_out(day, ordered, names, split, training).items():
            with files[name].open("ab") as file:
                matrix_of(part, features).tofile(file)
            frames[name].append(part.select(*kept, *{"weight"} & {*part.columns}))
    check_days_present(absent, split)
    parts = {}
    for name, span in split.parts.items():
        found = pl.concat(frames[name]) if frames[name] else pl.DataFrame({"is_fraud": []})
        parts[name] = Part(
            name=name,
            days=span,
            features=tuple(features),
            rows=found,
            is_fraud=found["is_fraud"].to_numpy().astype(bool),
            file=files[name],
            weighed=weighed(found, pl.concat(left_out[name])) if left_out[name] else None,
        )
        if span.days:
            check_classes(name, span, parts[name].is_fraud, labels)
    return Dataset(**parts)


def _counted(rows: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that count, and those left out: what was blocked in a draw, and of the test days
    what is over its limit."""
    counts = pl.col("weight").is_not_null()
    if "test" in names:
        counts &= ~pl.col("over_limit")
    return rows.filter(counts), rows.filter(~counts).select("over_limit")


def _shared_out(
    day: date, rows: pl.DataFrame, names: list[str], split: Split, training: Training
) -> dict[str, pl.DataFrame]:
    """The rows of each part that has the day, the negatives of the fit thinned out."""
    random = np.random.default_rng([training.seed, day.toordinal()])
    if len(names) > 1:
        # Of each class the share that validation has of the days of both.
        share = training.validation_days / split.fit.days
        placed = rows.select("is_fraud", place=pl.Series(random.permutation(rows.height)))
        rank = pl.col("place").rank("ordinal").over("is_fraud")
        drawn = placed.select(rank <= (pl.len().over("is_fraud") * share).round()).to_series()
        parts = {"fit": rows.filter(~drawn), "validation": rows.filter(drawn)}
    else:
        parts = {names[0]: rows}
    if "fit" in parts and training.negative_share < 1:
        drawn = pl.Series(random.random(parts["fit"].height) < training.negative_share)
        parts["fit"] = parts["fit"].filter(pl.col("is_fraud") | drawn)
    return parts


def matrix_of(rows: pl.DataFrame, features: Sequence[str] = FEATURE_NAMES) -> np.ndarray:
    """The features of `rows` as XGBoost takes them: rows x features, float32, null as NaN."""
    columns = (pl.col(name).fill_null(float("nan")).cast(pl.Float32) for name in features)
    return rows.select(columns).to_numpy(order="c")
