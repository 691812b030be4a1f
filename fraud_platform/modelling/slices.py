"""The model's figures in slices of the traffic, so that an average can't hide a collapse."""

from itertools import pairwise

import msgspec
import polars as pl

from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.scored import arrays, check_scores, weight_of

AMOUNT_BANDS = (10, 50, 200, 1_000)
"""Where an amount band ends and the next begins, in currency units."""
DAY = 86_400.0
"""Seconds."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One slice: what it is cut by, the value, its rows and what was decided on them.

    Precision is 0 without an alert, recall without a fraud; `money_saved` against calling nothing
    fraud is in cents; `average_precision` is None where the slice is of one class.
    """

    dimension: str
    value: str
    rows: int
    frauds: int
    alerts: int
    precision: float
    recall: float
    average_precision: float | None
    money_saved: int


def by_slice(rows: pl.DataFrame, threshold: float, costs: Costs) -> list[Slice]:
    """The slices by amount band, by device and by the merchant's age, each in its own order.

    `rows` are scored rows (see `scored`) with the features `device_new` (1, 0, or null where the
    transaction names no device) and `merchant_age` (seconds, null where no earlier day of the last
    thirty knows the merchant); of one that isn't there, no slices are cut. Values without rows are
    left out. Raises EvaluationError for rows without a label, or scores that are no probabilities.
    """
    check_scores(rows)
    dimensions = {"amount": _amount_bands()}
    if "device_new" in rows.columns:
        dimensions["device"] = _devices()
    if "merchant_age" in rows.columns:
        dimensions["merchant age"] = _merchant_ages()
    # Without the names, which take most of the memory.
    slim = rows.drop("event_date", "user_id")
    parts = (
        (dimension, value, slim.filter(where))
        for dimension, values in dimensions.items()
        for value, where in values.items()
    )
    return [
        _slice(dimension, value, part, threshold, costs)
        for dimension, value, part in parts
        if not part.is_empty()
    ]


def _amount_bands() -> dict[str, pl.Expr]:
    cents = pl.col("amount_cents")
    first, last = AMOUNT_BANDS[0], AMOUNT_BANDS[-1]
    between = {
        f"{low:,} to {high:,}": cents.is_between(low * 100, high * 100, closed="left")
        for low, high in pairwise(AMOUNT_BANDS)
    }
    return {
        f"under {first:,}": cents < first * 100,
        **between,
        f"{last:,} and over": cents >= last * 100,
    }


def _devices() -> dict[str, pl.Expr]:
    new = pl.col("device_new")
    return {"known": new == 0, "new": new == 1, "not named": new.is_null()}


def _merchant_ages() -> dict[str, pl.Expr]:
    age = pl.col("merchant_age")
    return {
        "unknown": age.is_null(),
        "under 1 day": age < DAY,
        "1 to 7 days": age.is_between(DAY, 7 * DAY),
        "over 7 days": age > 7 * DAY,
    }


def _slice(dimension: str, value: str, part: pl.DataFrame, threshold: float, costs: Costs) -> Slice:
    from sklearn.metrics import average_precision_score  # noqa: PLC0415

    made = decide(part, threshold, costs)
    score, is_fraud, _ = arrays(part)
    both = 0 < made.frauds < made.rows
    return Slice(
        dimension=dimension,
        value=value,
        rows=made.rows,
        frauds=made.frauds,
        alerts=made.alerts,
        precision=made.precision,
        recall=made.recall,
        average_precision=float(
            average_precision_score(is_fraud, score, sample_weight=weight_of(part))
        )
        if both
        else None,
        money_saved=made.money_saved,
    )
