"""The prequential backtest: of each past day the model that could have been trained at its end."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean

import msgspec
import polars as pl

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.split import DateRange, plan_split
from fraud_platform.modelling.train import train
from fraud_platform.settings import Labels, Training

SHOWN = (
    "average_precision",
    "auc_roc",
    "card_precision_100",
    "precision",
    "recall",
    "accuracy",
    "accuracy_never_fraud",
    "money_saved",
)
"""Metrics of a day, by name as in `evaluate.Metrics.as_dict`."""

LabelledDays = Callable[[DateRange, date], Iterable[tuple[date, pl.DataFrame]]]
"""Each day of a range with its rows, as `dataset.prepare` takes them, labelled as known by a day's
end."""


class Backtested(msgspec.Struct, frozen=True, kw_only=True):
    """How the model of `day` did on its test days; `metrics` as in `evaluate.Metrics.as_dict`.

    `seconds` is what reading, training and scoring took; None where they weren't done here.
    """

    day: date
    fit: DateRange
    test: DateRange
    metrics: dict[str, float]
    threshold: float
    rounds: int
    seconds: float | None = None

    def row(self) -> dict[str, str | float | None]:
        """One flat row, as it is printed and written; `rows` and `frauds` are the test days'."""
        return {
            "day": self.day.isoformat(),
            "fit": str(self.fit),
            "test": str(self.test),
            **{name: self.metrics[name] for name in SHOWN},
            "threshold": self.threshold,
            "rounds": self.rounds,
            "rows": int(self.metrics["rows"]),
            "frauds": int(self.metrics["frauds"]),
            "seconds": self.seconds,
        }


class Untrained(msgspec.Struct, frozen=True, kw_only=True):
    """A day without a model, and why."""

    day: date
    reason: str


def mean(tested: Sequence[Backtested]) -> dict[str, float]:
    """The plain mean of each number of `Backtested.row` over at least one day."""
    rows = [one.row() for one in tested]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        name: fmean(numbers)
        for name, values in columns.items()
        if len(numbers := [one for one in values if isinstance(one, int | float)]) == len(rows)
    }


def sized(
    training: Training,
    *,
    train_days: int | None = None,
    delay_days: int | None = None,
    validation_days: int | None = None,
    test_days: int | None = None,
) -> Training:
    """The settings with a window of these parts; what is None is as long as the settings have it.

    `train_days` are the days to fit on, `delay_days` the gap after them. A validation that is drawn
    from the fit days has none of its own.
    """
    gap = training.gap_days if delay_days is None else delay_days
    validation = training.validation_days if validation_days is None else validation_days
    test = training.test_days if test_days is None else test_days
    apart = training.split == "time"
    if train_days is None:
        used = training.gap_days + training.test_days + training.validation_days * apart
        train_days = training.window_days - used
    return msgspec.structs.replace(
        training,
        window_days=train_days + gap + validation * apart + test,
        gap_days=gap,
        validation_days=validation,
        test_days=test,
    )


def backtest(
    days: Iterable[date],
    labelled: LabelledDays,
    labels: Labels,
    training: Training,
    scratch: Path,
) -> Iterator[Backtested | Untrained]:
    """Trains and tests the model of each day, in their order, without tuning.

    A day whose rows are refused is `Untrained`, and the others go on. `scratch` is a directory for
    the matrices, of one day at a time.
    """
    for day in days:
        try:
            yield _tested(day, labelled, labels, training, scratch)
        except UnavailableError:  # of no use to the other days either
            raise
        except PredictFlowError as error:
            yield Untrained(day=day, reason=str(error))


def _tested(
    day: date, labelled: LabelledDays, labels: Labels, training: Training, scratch: Path
) -> Backtested:
    begun = time.perf_counter()
    split = plan_split(day, labels, training)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        data = prepare(labelled(split.window, day), split, labels, training, Path(folder))
        trained = train(data, training)
        scored = trained.score(data.test)
    metrics = evaluate(scored, trained.threshold.value, costs_of(training))
    return Backtested(
        day=day,
        fit=split.fit,
        test=split.test,
        metrics=metrics.as_dict(),
        threshold=trained.threshold.value,
        rounds=trained.booster.num_boosted_rounds(),
        seconds=round(time.perf_counter() - begun, 2),
    )
