"""The rule that needs no model: a payment over some amount is called fraud."""

import msgspec
import polars as pl

from fraud_platform.contracts.events import MAX_AMOUNT
from fraud_platform.modelling.threshold import Threshold, tune_threshold
from fraud_platform.settings import Training


def scored_by_amount(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their amount as `score`: a share of the largest that a payment may have.

    Distinct amounts in cents have distinct scores, so it ranks as the amount does; it is no
    probability.
    """
    return rows.with_columns(score=pl.col("amount_cents") / (MAX_AMOUNT * 100))


def limit_of(rule: Threshold) -> float:
    """The amount in currency units that the rule calls fraud above."""
    return rule.value * MAX_AMOUNT


def tune_amount_rule(rows: pl.DataFrame, training: Training) -> Threshold:
    """The limit that the model's own policy chooses on labelled rows, as a threshold of
    `scored_by_amount`.

    A fixed threshold is one of probabilities and says nothing of amounts: where the settings ask
    for one, or where no limit is what they ask for, it is the limit of least cost. Rows of one
    class or of one amount give the fixed one, which hardly a payment is above.
    """
    scored = scored_by_amount(rows)
    found = tune_threshold(scored, training)
    if found.tuned:
        return found
    return tune_threshold(scored, msgspec.structs.replace(training, threshold_by="cost"))
