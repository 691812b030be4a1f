"""A lake of made-up days for the features benchmark: payments and what became known of them.

The ratios are those of the Fraud Detection Handbook's cards: a user pays nought to four times a
day, twice in the mean, and 1 % are frauds. A legitimate payment is known after seven days, a fraud
at any time before.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.lake.store import Lake

KNOWN_AFTER_DAYS = 7

_FRAUDS = 0.01
_TWO_DEVICES = 0.05


class Payments:
    """Draws a day's payments of a fixed population; the same seed gives the same days."""

    def __init__(self, rows: int, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self._rows = rows
        users, merchants = rows * 13 // 25, max(rows // 50, 10)
        self._pace = _cumulated(self._rng.uniform(0, 4, users))
        self._popular = _cumulated(self._rng.lognormal(0, 1, merchants))
        self._mean_cents = self._rng.uniform(500, 10_000, users)
        self._users = _ids("user", users)
        self._devices = _ids("device", 2 * users)
        self._merchants = _ids("merchant", merchants)

    def draw(self, day: date) -> pl.DataFrame:
        """Rows of `raw_transactions`, and beside them `is_fraud` and `labelled_at_us`."""
        rng, rows = self._rng, self._rows
        users = np.searchsorted(self._pace, rng.random(rows))
        second = (users % round(1 / _TWO_DEVICES) == 0) & (rng.random(rows) < 0.3)
        fraud = rng.random(rows) < _FRAUDS
        habit = self._mean_cents[users] * np.where(fraud, 3, 1)
        cents = np.abs(rng.normal(habit, habit / 2)).astype(np.int64) + 1
        # More by day than by night: the mean of two uniform draws lies near noon.
        moments = day_start_us(day) + (rng.random((2, rows)).mean(0) * DAY_US).astype(np.int64)
        delay = np.where(fraud, rng.random(rows), 1) * KNOWN_AFTER_DAYS * DAY_US
        number = pl.int_range(rows, eager=True).cast(pl.String).str.zfill(9)
        return pl.DataFrame(
            {
                "transaction_id": pl.select(pl.lit(f"t{day:%Y%m%d}-") + number).to_series(),
                "timestamp_us": moments,
                "user_id": self._users.gather(users),
                "merchant_id": self._merchants.gather(
                    np.searchsorted(self._popular, rng.random(rows))
                ),
                "device_id": self._devices.gather(2 * users + second),
                "amount_cents": cents,
                "is_fraud": fraud,
                "labelled_at_us": moments + delay.astype(np.int64),
            }
        ).with_columns(pl.lit(day).alias("event_date"))


def write_days(lake: Lake, rows: int, start: date, days: int) -> Iterator[date]:
    """Writes days of raw transactions and of the labels known on them; each day when it is done."""
    payments, known = Payments(rows), defaultdict[date, list[pl.DataFrame]](list)
    for day in (start + timedelta(days=n) for n in range(days)):
        drawn = payments.draw(day)
        lake.replace_days(
            RAW_TRANSACTIONS,
            day,
            day + timedelta(days=1),
            drawn.select(RAW_TRANSACTIONS.schema.names),
        )
        labels = drawn.with_columns(
            pl.from_epoch("labelled_at_us", time_unit="us").dt.date().alias("event_date"),
            pl.lit("benchmark").alias("label_source"),
        ).select(TRANSACTION_LABELS.schema.names)
        for (on,), part in labels.partition_by("event_date", as_dict=True).items():
            known[on].append(part)
        if found := known.pop(day, []):
            lake.replace_days(TRANSACTION_LABELS, day, day + timedelta(days=1), pl.concat(found))
        yield day


def _cumulated(weights: np.ndarray) -> np.ndarray:
    total = np.cumsum(weights)
    return total / total[-1]


def _ids(kind: str, count: int) -> pl.Series:
    return pl.select(
        pl.lit(f"{kind}-") + pl.int_range(count).cast(pl.String).str.zfill(7)
    ).to_series()
