"""Labelled feature rows with a signal that a model can find, for the tests of modelling."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import Manifest
from fraud_platform.modelling.split import Split, plan_split
from fraud_platform.settings import Labels, Training

DAY = date(2026, 3, 31)
LABELS = Labels()
TRAINING = Training(
    window_days=10, validation_days=2, test_days=3, trees=15, learning_rate=0.1, class_balance=1
)

MADE = Manifest(
    model_name="fraud_detector",
    model_version="7",
    partition="2026-03-31",
    features=list(FEATURE_NAMES),
    threshold=0.468,
    training_window=("2026-02-23", "2026-03-14"),
    table_versions={"transaction_features": 41},
    metrics={"average_precision": 0.7, "rows": 20},
    reference={"amount": {"edges": [1.5, 2], "shares": [0.5, 0.25, 0.25], "missing": 0.0}},
    created_at="2026-04-01T02:00:00Z",
    run_id="r1",
    sha256={},
)
"""What a bundle may say of itself."""


def split() -> Split:
    return plan_split(DAY, LABELS, TRAINING)


def feature_rows(
    first: date, days: int, *, per_day: int = 400, users: int = 150, seed: int = 0
) -> pl.DataFrame:
    """`per_day` rows of each day, about one in twenty a fraud, all of them labelled."""
    random = np.random.default_rng(seed)
    count = days * per_day
    amount_cents = np.maximum(1, (random.lognormal(3.5, 1.1, count) * 100).astype(np.int64))
    merchant_rate = random.beta(1, 60, count)
    device_new = (random.random(count) < 0.15).astype(np.float64)
    risk = 0.9 * np.log(amount_cents / 4000) + 25 * merchant_rate + 1.6 * device_new - 4.2
    is_fraud = random.random(count) < 1 / (1 + np.exp(-risk))
    amount = amount_cents / 100
    columns = {
        "amount": amount,
        "amount_log": np.log1p(amount),
        "hour_of_day": random.integers(0, 24, count).astype(np.float64),
        "day_of_week": random.integers(0, 7, count).astype(np.float64),
        "user_tx_count_24h": random.poisson(2, count).astype(np.float64),
        "user_total_amount_24h": random.gamma(2, 60, count),
        "merchant_fraud_rate": merchant_rate,
        "time_since_last_tx": random.exponential(40_000, count),
        "device_new": device_new,
    }
    frame = pl.DataFrame(
        {
            "event_date": [first + timedelta(days=i // per_day) for i in range(count)],
            "transaction_id": [f"t{i:07d}" for i in range(count)],
            "user_id": [f"u{i:04d}" for i in random.integers(0, users, count)],
            "amount_cents": amount_cents,
            "is_fraud": is_fraud,
            **{name: columns.get(name, random.normal(size=count)) for name in FEATURE_NAMES},
        },
        schema_overrides={"event_date": pl.Date},
    )
    frame = frame.with_columns(
        _missing("time_since_last_tx", random.random(count) < 0.1),
        _missing("device_new", random.random(count) < 0.05),
    )
    age = random.exponential(5 * 86_400.0, count)
    return frame.with_columns(merchant_age=pl.Series(age)).with_columns(
        _missing("merchant_age", random.random(count) < 0.05)
    )


def window_rows(**options: int) -> pl.DataFrame:
    """The feature rows of the whole window of `split()`."""
    window = split().window
    return feature_rows(window.start, window.days, **options)


def _missing(name: str, where: np.ndarray) -> pl.Expr:
    return pl.when(pl.Series(where)).then(None).otherwise(pl.col(name)).alias(name)


def scored_rows(
    scores: Sequence[float],
    is_fraud: Sequence[bool],
    *,
    amount_cents: Sequence[int] | None = None,
    users: Sequence[str] | None = None,
    days: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Scored rows of these figures; `days` count from DAY, and every device is known."""
    count = len(scores)
    return pl.DataFrame(
        {
            "event_date": [DAY + timedelta(days=i) for i in days or [0] * count],
            "transaction_id": [f"t{i}" for i in range(count)],
            "user_id": list(users or [f"u{i}" for i in range(count)]),
            "amount_cents": list(amount_cents or [1000] * count),
            "is_fraud": list(is_fraud),
            "device_new": [0.0] * count,
            "score": list(scores),
        },
        schema={
            "event_date": pl.Date,
            "transaction_id": pl.String,
            "user_id": pl.String,
            "amount_cents": pl.Int64,
            "is_fraud": pl.Boolean,
            "device_new": pl.Float64,
            "score": pl.Float64,
        },
    )
