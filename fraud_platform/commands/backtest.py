"""`predictflow backtest`: the models of past days, and their metrics over time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from fraud_platform import progress
from fraud_platform.clock import days_between
from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.files import rows_by_day
from fraud_platform.lake.store import Lake, versions
from fraud_platform.lake.training_rows import READ, feature_rows, labelled_days
from fraud_platform.modelling.backtest import (
    Backtested,
    LabelledDays,
    Untrained,
    backtest,
    mean,
    sized,
)
from fraud_platform.modelling.backtest_page import Backtest, plot, render
from fraud_platform.modelling.record import EVALUATION, TRAINING, EvaluationRecord, TrainingRecord
from fraud_platform.modelling.split import DateRange, plan_split
from fraud_platform.registry import Registry
from fraud_platform.scratch import scratch
from fraud_platform.settings import Settings, Training, load_settings

KEPT_ROWS = 1_000_000
"""Feature rows that are kept for the next window, some 300 bytes each."""
PRINTED = {
    "average_precision": ("AP", 3),
    "auc_roc": ("AUC", 3),
    "card_precision_100": ("CP@100", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "accuracy": ("accuracy", 4),
    "accuracy_never_fraud": ("never fraud", 4),
    "money_saved": ("saved", None),
    "threshold": ("threshold", 3),
    "rounds": ("rounds", None),
    "seconds": ("seconds", 1),
}
"""Of the figures that are printed the heading and the digits, None for whole ones."""


def run_backtest(
    first: date,
    last: date,
    every: int,
    sizes: Mapping[str, int] | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tests the models of each `every`-th day of first to last (inclusive) and prints how they did.

    `sizes` are those of `sized` that differ from the settings; None reads the registry instead.
    """
    settings = load_settings()
    if last < first:
        raise PredictFlowError(f"--to {last} is before --from {first}")
    days = days_between(first, last + timedelta(days=1))[::every]
    with console.bars():
        found = (
            _recorded(settings, days)
            if sizes is None
            else _trained(settings, days, sized(settings.training, **sizes))
        )
    folder = out or settings.data_dir / "backtests" / f"{first}_{last}"
    document = {
        "days": [one.row() for one in found.tested],
        "mean": mean(found.tested) if found.tested else {},
        "failed": [{"day": str(one.day), "reason": one.reason} for one in found.untrained],
    }
    if found.tested:
        _write(folder, found, document)
    if as_json:
        console.emit(document | {"folder": str(folder) if found.tested else None})
    else:
        _print(found, document, folder)
    if not found.tested:
        raise PredictFlowError(
            f"none of the {len(days)} days has a model to test; "
            f"{found.untrained[0].day}: {found.untrained[0].reason}"
        )


def _trained(settings: Settings, days: Sequence[date], training: Training) -> Backtest:
    lake = Lake(settings.lake_dir)
    read = versions(lake, READ)
    split = plan_split(days[0], settings.labels, training)
    reach = DateRange(split.fit.start, days[-1])
    with scratch(settings.scratch_dir) as folder:
        labelled = _labelled(lake, read, reach, training.window_days)
        models = backtest(days, labelled, settings.labels, training, folder)
        progress.report("backtest", 0, len(days))
        found = list(progress.each("backtest", models, len(days)))
    sizes = ", ".join(f"{name} {part.days}" for name, part in split.parts.items())
    tables = ", ".join(f"{name} {version}" for name, version in read.items())
    overlap = len(days) > 1 and (days[1] - days[0]).days < training.test_days
    return Backtest(
        days=found,
        about="Of each day the model that could have been trained at its end. "
        f"Days of its window: {sizes}, and {training.gap_days} left out after the fit. "
        + ("Neighbours share test days. " if overlap else "")
        + f"Table versions: {tables}.",
    )


def _labelled(
    lake: Lake, read: Mapping[str, int], reach: DateRange, window_days: int
) -> LabelledDays:
    """Reads windows, and keeps the feature rows of one for the next if they aren't too many."""
    most = max(rows_by_day(lake, TRANSACTION_FEATURES, reach.start, reach.end).values(), default=0)
    kept = window_days if window_days * most <= KEPT_ROWS else 0
    features = lru_cache(kept)(partial(feature_rows, lake, read))

    def labelled(days: DateRange, known_by: date) -> Iterator[tuple[date, pl.DataFrame]]:
        return labelled_days(lake, days.start, days.end, known_by, read, features)

    return labelled


def _recorded(settings: Settings, days: Sequence[date]) -> Backtest:
    registry = Registry(settings)
    found = (_of_record(registry, day) for day in days)
    return Backtest(
        days=list(progress.each("read the registry", found, len(days))),
        about="Of each day the newest model in the registry, as its evaluation_report found it.",
    )


def _of_record(registry: Registry, day: date) -> Backtested | Untrained:
    try:
        registered = registry.newest(day.isoformat())
        record: TrainingRecord = registry.document(registered.run_id, TRAINING, TrainingRecord)
        evaluation: EvaluationRecord = registry.document(
            registered.run_id, EVALUATION, EvaluationRecord
        )
    except UnavailableError:
        raise
    except PredictFlowError as error:
        return Untrained(day=day, reason=str(error))
    return Backtested(
        day=day,
        fit=record.split.fit,
        test=record.split.test,
        metrics=evaluation.metrics,
        threshold=record.threshold.value,
        rounds=record.rounds,
    )


def _write(folder: Path, found: Backtest, document: Mapping[str, Any]) -> None:
    picture = plot(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "backtest.png").write_bytes(picture)
        (folder / "backtest.html").write_text(render(found, picture))
        (folder / "backtest.json").write_text(json.dumps(document, indent=1) + "\n")
        pl.DataFrame(document["days"], infer_schema_length=None).write_csv(folder / "backtest.csv")
    except OSError as error:
        raise PredictFlowError(f"can't write to {folder}: {error}; name another --out") from error


def _print(found: Backtest, document: Mapping[str, Any], folder: Path) -> None:
    if found.tested:
        rows = [*document["days"], document["mean"] | {"day": "mean"}]
        shown = {name: how for name, how in PRINTED.items() if name in document["mean"]}
        console.table(
            "Backtest",
            ("day", *(heading for heading, _ in shown.values())),
            [
                (row["day"], *(round(row[name], digits) for name, (_, digits) in shown.items()))
                for row in rows
            ],
            unfolded=("day",),
        )
    if found.untrained:
        console.table(
            "Days without a model",
            ("day", "why"),
            [(str(one.day), console.plain(one.reason)) for one in found.untrained],
            unfolded=("day",),
        )
    if found.tested:
        console.console.print(f"{folder / 'backtest.html'}", soft_wrap=True)
