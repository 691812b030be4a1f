"""The decisions of a day beside the labels that were known at the end of a day."""

from datetime import date, timedelta

import polars as pl

from fraud_platform.clock import day_of
from fraud_platform.contracts.tables import PREDICTION_LOG, TRANSACTION_LABELS
from fraud_platform.lake.store import Lake
from fraud_platform.propensity import DRAWN

_DECIDED = [
    *("transaction_id", "timestamp_us", "fraud_probability", "is_fraud", "degraded"),
    *("model_version", *DRAWN),
]
_LABEL = ["transaction_id", "labelled_at_us", "is_fraud"]


def decided_rows(lake: Lake, decided: date, known_by: date, lookback_days: int) -> pl.DataFrame:
    """One row a transaction that was decided on the day `decided`, in the order of the decisions.

    Of one that was judged twice the last decision is taken, of one labelled twice the last verdict
    known at the end of `known_by`. Columns: transaction_id, model_version, degraded, those of
    `propensity.DRAWN`, `score` (the probability), `alert` (the verdict that was given) and
    `is_fraud` (the label, null where none was known). Labels are looked for from the
    transaction's own day on, which may be up to `lookback_days` before the decision.
    """
    decisions = (
        lake.read(PREDICTION_LOG, decided, decided + timedelta(days=1), columns=_DECIDED)
        .unique("transaction_id", keep="last", maintain_order=True)
        .rename({"is_fraud": "alert", "fraud_probability": "score"})
    )
    if decisions.is_empty():
        return decisions.drop("timestamp_us").with_columns(is_fraud=pl.lit(None, pl.Boolean))
    paid = day_of(decisions.select(pl.col("timestamp_us").min()).item())
    since = min(decided, max(paid, decided - timedelta(days=lookback_days)))
    until = known_by + timedelta(days=1)
    ids = decisions.select("transaction_id")
    labels = lake.read_among(TRANSACTION_LABELS, since, until, ids, columns=_LABEL)
    last = labels.sort("labelled_at_us", maintain_order=True)
    known = last.unique("transaction_id", keep="last").select("transaction_id", "is_fraud")
    return decisions.drop("timestamp_us").join(
        known, on="transaction_id", how="left", maintain_order="left"
    )
