"""What training asks of its rows; a refusal says which rows, and what to do about it."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.split import DateRange, Split
from fraud_platform.settings import Labels, Training

ALL_TABLES = "raw_transactions,transaction_labels,transaction_features"
LABELS = "transaction_labels"
FLOAT32_MAX = float(np.finfo(np.float32).max)


class TrainingRefused(PredictFlowError):  # noqa: N818 - a refusal, not a fault of the program
    """Rows that a model must not be trained on."""


def check_columns(rows: pl.DataFrame, features: Sequence[str]) -> None:
    """Raises TrainingRefused for columns that are missing or of another type."""
    kinds: dict[str, pl.DataType] = {
        "event_date": pl.Date(),
        "transaction_id": pl.String(),
        "user_id": pl.String(),
        "amount_cents": pl.Int64(),
        "is_fraud": pl.Boolean(),
        **{name: pl.Float64() for name in features},
    }
    faults = [
        f"{name} is {rows.schema[name]}, not {kind}"
        if name in rows.columns
        else f"{name} is missing"
        for name, kind in kinds.items()
        if rows.schema.get(name) != kind
    ]
    if faults:
        raise TrainingRefused(
            f"the training rows differ from the feature catalogue: {'; '.join(faults)}. "
            "Materialise transaction_features again with this version of the catalogue"
        )


def check_days_present(absent: list[date], split: Split) -> None:
    """Raises TrainingRefused, naming the days, for days of the window without rows."""
    if absent:
        days = split.window
        raise TrainingRefused(
            f"{len(absent)} of the {days.days} days of the training window {days} have no rows: "
            f"{_listed(absent)}. Make them with "
            f"`{_materialize(absent[0], absent[-1], ALL_TABLES)}`, or train a later day"
        )


def check_day(day: date, rows: pl.DataFrame) -> None:
    """Raises TrainingRefused for a day that holds a transaction twice."""
    times = rows.height - rows["transaction_id"].n_unique()
    if times:
        raise TrainingRefused(
            f"on {day} {times:,} training rows repeat a transaction of the same day; expected one "
            "row a transaction: look at the join with the labels"
        )


def check_label_shares(day: date, rows: pl.DataFrame, labels: Labels, training: Training) -> None:
    """Raises TrainingRefused for a day of which too few transactions have a label."""
    count, labelled = rows.height, rows["is_fraud"].count()
    if labelled >= training.min_label_share * count:
        return
    mature = day + timedelta(days=labels.maturity_days)
    raise TrainingRefused(
        f"on {day} {labelled:,} of {count:,} transactions ({labelled / count:.1%}) have a label; "
        f"training.min_label_share asks for {training.min_label_share:.1%}. "
        f"The day's labels should all be known from {mature} on: land them and run "
        f"`{_materialize(day, mature, LABELS)}`, or lower training.min_label_share"
    )


def check_finite(day: date, rows: pl.DataFrame, features: Sequence[str]) -> None:
    """Raises TrainingRefused for a feature value that is NaN, or infinite as float32."""
    faulty = {
        name: ~(pl.col(name).abs() <= FLOAT32_MAX) | pl.col(name).is_nan() for name in features
    }
    counts = rows.select(**{name: fault.sum() for name, fault in faulty.items()}).row(0)
    for (name, fault), count in zip(faulty.items(), counts, strict=True):
        if count:
            first = rows.filter(fault).sort("transaction_id").row(0, named=True)
            raise TrainingRefused(
                f"feature {name} isn't finite in {count:,} of {rows.height:,} rows of {day}, the "
                f"first is transaction {first['transaction_id']}: {first[name]}; "
                "a missing value must be null. Mend the feature and materialise "
                "transaction_features again"
            )


def check_classes(part: str, days: DateRange, is_fraud: np.ndarray, labels: Labels) -> None:
    """Raises TrainingRefused for a part of the window without a fraud or with nothing else."""
    frauds = int(is_fraud.sum())
    if 0 < frauds < is_fraud.size:
        return
    known = days.last + timedelta(days=labels.maturity_days)
    raise TrainingRefused(
        f"the {part} part of the training window ({days}) has {frauds:,} frauds among "
        f"{is_fraud.size:,} labelled transactions; both classes are needed. If labels are missing, "
        f"land them and run `{_materialize(days.start, known, LABELS)}`; else raise "
        f"training.window_days{'' if part == 'fit' else f' and training.{part}_days'}"
    )


def _materialize(first: date, last: date, assets: str) -> str:
    return f"predictflow materialize --from {first} --to {last} --select {assets}"


def _listed(days: list[date]) -> str:
    """The days as runs: `2026-03-01 to 2026-03-04, 2026-03-09`, at most five of them."""
    runs: list[DateRange] = []
    for day in days:
        if runs and runs[-1].end == day:
            runs[-1] = DateRange(runs[-1].start, day + timedelta(days=1))
        else:
            runs.append(DateRange(day, day + timedelta(days=1)))
    named = [str(run.start) if run.days == 1 else str(run) for run in runs[:5]]
    more = f" and {len(runs) - 5} more gaps" if len(runs) > 5 else ""
    return ", ".join(named) + more
