"""The Fraud Detection Handbook's protocol on its own data, through this platform's features and
training.

    python -m benchmarks.handbook --data handbook.parquet --first-test-day 2018-08-08 --folds 4

Of each fold: train 7 days, let labels mature for 7, test the next 7; the first fold's test begins
on the given day, the next a week later. Cards known as compromised are taken out of the test: those
with a fraud in the 7 days before the delay, and on each test day those with one up to eight days
before it. (Le Borgne, Siblini, Lebichot, Bontempi, Reproducible Machine Learning for Credit Card
Fraud Detection, chapters 3 to 5; card precision drops cards once they were found.) `--train-days 7
90` trains with several lengths. The last line is JSON, of the first length.

Parameters are `Training`'s defaults, chosen on folds that end before 2018-07-25.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import whole_way
from fraud_platform.lake.store import Lake
from fraud_platform.lake.training_rows import labelled_days
from fraud_platform.modelling.card_precision import card_precision
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.split import plan_split
from fraud_platform.modelling.train import train
from fraud_platform.settings import Labels, Training

DELAY = TEST = 7
METRICS = ("auc", "average_precision", "card_precision_100")
PUBLISHED = {
    "published: XGBoost": (0.872, 0.694, 0.304),
    "published: best of all models": (0.879, 0.694, 0.305),
}
"""Means of the same four folds, 2018-08-08 to 2018-09-04, from the handbook's chapter 5."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the handbook's transactions")
    parser.add_argument("--first-test-day", type=date.fromisoformat, default=date(2018, 8, 8))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--train-days", type=int, nargs="+", default=[7])
    parser.add_argument("--folder", type=Path, help="keep the lake here, and use one that is there")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings of training"
    )
    given = parser.parse_args()
    if not given.data.is_file():
        parser.exit(0, f"skipped: {given.data} is not there\n")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = made_lake(given.data, given.folder or Path(folder))
        prepared = time.perf_counter() - begun
        firsts = [given.first_test_day + timedelta(days=TEST * i) for i in range(given.folds)]
        rows = {}
        for days in given.train_days:
            training = settings(days, given.set)
            rows[days] = [fold(root, first, training) for first in firsts]
    show(rows, firsts)
    found = {days: mean(folds) for days, folds in rows.items()}
    first = given.train_days[0]
    print(
        json.dumps(
            {
                "folds": rows[first],
                "mean": found[first],
                "by_train_days": found,
                "prepare_seconds": round(prepared, 1),
                "seconds": round(time.perf_counter() - begun, 1),
            }
        )
    )


def settings(train_days: int, changed: list[str]) -> Training:
    """Training as the protocol has it: no validation days, so every tree stays."""
    window = {
        "window_days": train_days + DELAY + TEST,
        "gap_days": DELAY,
        "validation_days": 0,
        "test_days": TEST,
    }
    values = dict(pair.split("=", 1) for pair in changed)
    return msgspec.convert(
        msgspec.to_builtins(Training()) | window | values, Training, strict=False
    )


def made_lake(data: Path, folder: Path) -> Path:
    """The lake of the data below `folder`, with features of all days."""
    root = folder / "lake"
    if not root.exists():
        whole_way.ingest(data, root)
        whole_way.days(root)
        whole_way.features(root)
    return root


def fold(root: Path, first_test_day: date, training: Training) -> dict[str, Any]:
    """The metrics of one fold."""
    labels = Labels(maturity_days=DELAY)
    split = plan_split(first_test_day + timedelta(days=TEST - 1 + DELAY), labels, training)
    window, known_by = split.window, split.test.end + timedelta(days=DELAY)
    with tempfile.TemporaryDirectory() as folder:
        days = labelled_days(Lake(root), window.start, window.end, known_by, {})
        frauds: dict[date, pl.Series] = {}
        data = prepare(remembered(days, frauds), split, labels, training, Path(folder))
        scored = train(data, training).score(data.test)
    # The same cards, and so the same rows, however long the training.
    scored = without_known(scored, frauds, first_test_day - timedelta(days=DELAY + 7))
    score, is_fraud = scored["score"].to_numpy(), scored["is_fraud"].to_numpy()
    return {
        "first_test_day": first_test_day.isoformat(),
        "auc": float(roc_auc_score(is_fraud, score)),
        "average_precision": float(average_precision_score(is_fraud, score)),
        "card_precision_100": card_precision(scored, 100, remove_detected=True),
        "rows": scored.height,
        "frauds": int(is_fraud.sum()),
    }


def remembered(
    days: Iterator[tuple[date, pl.DataFrame]], frauds: dict[date, pl.Series]
) -> Iterator[tuple[date, pl.DataFrame]]:
    """The days as they are; `frauds` is filled with the cards that had one, by day."""
    for day, rows in days:
        frauds[day] = rows.filter("is_fraud")["user_id"]
        yield day, rows


def without_known(
    scored: pl.DataFrame, frauds: dict[date, pl.Series], first_known: date
) -> pl.DataFrame:
    """The test rows of cards that were not known as compromised on the day of the test."""
    parts = []
    for (day,), rows in scored.group_by("event_date", maintain_order=True):
        assert isinstance(day, date)
        until = day - timedelta(days=DELAY)
        known = [cards for when, cards in frauds.items() if first_known <= when < until]
        parts.append(rows.filter(~pl.col("user_id").is_in(pl.concat(known).implode())))
    return pl.concat(parts)


def mean(folds: list[dict[str, Any]]) -> dict[str, float]:
    return {name: round(sum(fold[name] for fold in folds) / len(folds), 4) for name in METRICS}


def show(rows: dict[int, list[dict[str, Any]]], firsts: list[date]) -> None:
    print(f"{'':<34}{'AUC':>8}{'av. precision':>15}{'card prec. @100':>17}")
    if firsts[0] == date(2018, 8, 8) and len(firsts) == 4:
        for name, (auc, precision, card) in PUBLISHED.items():
            print(f"{name:<34}{auc:>8.3f}{precision:>15.3f}{card:>17.3f}")
    for days, folds in rows.items():
        for one in folds:
            label = f"{days} days, test from {one['first_test_day']}"
            print(f"{label:<34}" + line(one))
        print(f"{f'{days} days, mean':<34}" + line(mean(folds)))


def line(one: dict[str, Any]) -> str:
    return f"{one['auc']:>8.3f}{one['average_precision']:>15.3f}{one['card_precision_100']:>17.3f}"


if __name__ == "__main__":
    main()
