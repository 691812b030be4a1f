"""Training at its full size, from the lake, beside the plain way on the same rows, in one run.

    python -m benchmarks.training            30 days of a million payments, the plain way on 5
    python -m benchmarks.training --quick    a tenth of that

The rows are made up: ids, amounts and labels as in the features benchmark, the other features drawn
with the catalogue's names and missing values. The plain way reads the tables with pandas, merges
them, and trains on a DMatrix of the frame. Each is measured in a process of its own, from the lake
to a model with the same parameters. The last line is JSON. It needs 10 GiB of disk.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.feature_days import apart
from benchmarks.feature_lake import KNOWN_AFTER_DAYS, write_days
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import CATALOGUE, FEATURE_NAMES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.lake.training_rows import labelled_days
from fraud_platform.memory import peak_mib
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.fit import parameters
from fraud_platform.modelling.split import plan_split
from fraud_platform.modelling.train import train
from fraud_platform.settings import Labels, Training

FIRST = date(2026, 1, 5)
TREES = {
    "trees": 100,
    "depth": 6,
    "learning_rate": 0.1,
    "row_share": 1.0,
    "feature_share": 1.0,
    "early_stopping_rounds": 0,
    "class_balance": 1.0,
}
"""The starting parameters of the plain way; every row and feature counts in every tree."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the payments")
    parser.add_argument("--days", type=int, default=30, help="days to fit on")
    parser.add_argument("--peer-days", type=int, default=5, help="days for the plain way")
    parser.add_argument("--folder", type=Path, help="keep the lake here, and use it if it is there")
    asked = parser.parse_args()
    rows = 100_000 if asked.quick else 1_000_000
    with tempfile.TemporaryDirectory() as temporary:
        root = asked.folder or Path(temporary)
        write(root, rows, asked.days + 1)
        ours = show("here", apart(measured, train_here, root, asked.days))
        same = show("here", apart(measured, train_here, root, asked.peer_days))
        plain = show("pandas and DMatrix", apart(measured, train_plainly, root, asked.peer_days))
    summary = {
        "rows": ours["rows"],
        "features": len(FEATURE_NAMES),
        "train_seconds": ours["seconds"],
        "train_peak_mib": ours["peak_mib"],
        "peer_rows": plain["rows"],
        "peer_seconds": plain["seconds"],
        "peer_peak_mib": plain["peak_mib"],
        "times_plain": round(plain["seconds"] / same["seconds"], 1),
        "memory_of_plain": round(same["peak_mib"] / plain["peak_mib"], 2),
        "prediction_difference": abs(same["mean_score"] - plain["mean_score"]),
    }
    print(json.dumps(summary))


def write(root: Path, rows: int, days: int) -> None:
    """Days of features and of the labels that matured on them, unless they are there."""
    done = root / f"written-{rows}-{days}"
    if done.exists():
        return
    lake = Lake(root)
    for _ in write_days(lake, rows, FIRST, days + KNOWN_AFTER_DAYS):
        pass
    for n in range(days):
        day = FIRST + timedelta(days=n)
        raw = lake.read(RAW_TRANSACTIONS, day, day + timedelta(days=1))
        lake.replace_days(TRANSACTION_FEATURES, day, day + timedelta(days=1), drawn(raw, n))
    done.touch()
    print(f"{days} days of {rows:,} rows written", flush=True)


def drawn(raw: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows of `transaction_features`: two features of the amount, the rest random."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for feature in (CATALOGUE[name] for name in FEATURE_NAMES):
        values = random.lognormal(2, 2, raw.height).round(2)
        if feature.missing:
            values[random.random(raw.height) < 0.1] = np.nan
        columns[feature.name] = pl.Series(values).fill_nan(None)
    amount = raw["amount_cents"] / 100
    columns |= {"amount": amount, "amount_log": amount.log1p().round(4)}
    return raw.with_columns(**columns).select(TRANSACTION_FEATURES.schema.names)


def measured(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    begun = time.perf_counter()
    found = work(*arguments)
    return found | {"seconds": round(time.perf_counter() - begun, 1), "peak_mib": peak_mib()}


def _training(days: int) -> Training:
    window = {"window_days": days + 1, "validation_days": 0, "test_days": 1}
    return Training(**window, **TREES)  # type: ignore[arg-type]


def train_here(root: Path, days: int) -> dict[str, float]:
    training, labels = _training(days), Labels()
    known_by = FIRST + timedelta(days=days + labels.maturity_days)
    split = plan_split(known_by, labels, training)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=root) as folder:
        window = labelled_days(Lake(root), split.window.start, split.window.end, known_by, {})
        data = prepare(window, split, labels, training, Path(folder))
        read = time.perf_counter() - begun
        made = train(data, training)
        score = made.score(data.test)["score"]
    return {
        "rows": data.fit.is_fraud.size,
        "read_seconds": round(read, 1),
        "mean_score": float(score.mean()),  # type: ignore[arg-type]
    }


def train_plainly(root: Path, days: int) -> dict[str, float]:
    """As one writes it: tables to pandas, merged, fitted and scored on DMatrix."""
    import xgboost as xgb  # noqa: PLC0415

    lake, end = Lake(root), FIRST + timedelta(days=days + 1)
    features = lake.dataset(TRANSACTION_FEATURES, FIRST, end).to_table().to_pandas()
    known = lake.dataset(TRANSACTION_LABELS, FIRST, end + timedelta(days=KNOWN_AFTER_DAYS))
    labels = known.to_table(columns=["transaction_id", "is_fraud"]).to_pandas()
    rows = features.merge(labels, on="transaction_id")
    begun = time.perf_counter()
    fit = rows[rows["event_date"] < end - timedelta(days=1)]
    test = rows[rows["event_date"] >= end - timedelta(days=1)]
    names = list(FEATURE_NAMES)
    matrix = xgb.DMatrix(fit[names], label=fit["is_fraud"])
    weight = float((~fit["is_fraud"]).sum() / fit["is_fraud"].sum())
    chosen = parameters(_training(days), names, positive_weight=weight)
    booster = xgb.train(chosen, matrix, num_boost_round=TREES["trees"])
    score = booster.predict(xgb.DMatrix(test[names]))
    return {
        "rows": len(fit),
        "fit_seconds": round(time.perf_counter() - begun, 1),
        "mean_score": float(score.mean()),
    }


def show(name: str, found: dict[str, float]) -> dict[str, float]:
    print(
        f"{name:<20}{found['rows']:>12,} rows{found['seconds']:>8.1f} s{found['peak_mib']:>8,} MiB",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
