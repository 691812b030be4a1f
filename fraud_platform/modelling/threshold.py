"""The threshold that costs least: a fraud is called where p > threshold."""

import msgspec
import numpy as np
import polars as pl

from fraud_platform.modelling.costs import Costs, cost_cents
from fraud_platform.modelling.scored import arrays, check_scores

FALLBACK = 0.7


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold, what it costs on the rows it was chosen on, and why it is this one.

    `tuned` is False where the fallback had to be taken; `cost_never` is what calling nothing fraud
    costs. Costs are cents.
    """

    value: float
    tuned: bool
    reason: str
    cost: int
    cost_never: int


def cost_curve(rows: pl.DataFrame, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """Every threshold at which the decisions change, ascending from 0, and its cost in cents.

    `rows` are scored rows (see `scored`), at least one. The cost at `thresholds[i]` holds up to,
    but not including, `thresholds[i + 1]`, and the last one up to 1: together they say the cost of
    any threshold from 0 to 1. Both arrays have the shape (distinct scores and 0,).
    """
    score, is_fraud, amount_cents = arrays(rows)
    order = np.argsort(score, kind="stable")
    score = score[order]
    # What an alert on a row changes, against letting it through.
    change = np.where(
        is_fraud[order], -(amount_cents[order] + costs.missed_fraud_fee), costs.false_alarm
    )
    never = -int(change[is_fraud[order]].sum())
    above = never + change.sum() - np.cumsum(change)
    last_of_score = np.append(np.flatnonzero(np.diff(score)), score.size - 1)
    thresholds, cost = score[last_of_score], above[last_of_score]
    if score[0] > 0:
        thresholds = np.insert(thresholds, 0, 0.0)
        cost = np.insert(cost, 0, never + change.sum())
    return thresholds, cost


def tune_threshold(rows: pl.DataFrame, costs: Costs) -> Threshold:
    """The threshold of least cost on scored rows, or the fallback 0.7 with the reason.

    Of several equally cheap ones it takes the highest, which stops the fewest payments, and of
    the gap between two scores the middle. A missed fraud costs its amount and a fee, a false alarm
    a fixed sum (example-dependent costs as in Elkan, The Foundations of Cost-Sensitive Learning,
    IJCAI 2001). Raises EvaluationError for scores that are no probabilities.
    """
    check_scores(rows)
    trouble = _untunable(rows)
    if trouble:
        return _fallback(rows, costs, trouble)
    thresholds, cost = cost_curve(rows, costs)
    best = cost.size - 1 - int(np.argmin(cost[::-1]))
    low = float(thresholds[best])
    high = float(thresholds[best + 1]) if best + 1 < cost.size else 1.0
    middle = (low + high) / 2
    # Between two neighbouring doubles there is no middle: it rounds to one of them.
    value = middle if middle < high else low
    alerts = int((arrays(rows)[0] > value).sum())
    extreme = {0: ", where stopping no payment is the cheapest"}
    extreme[rows.height] = ", where stopping every payment is the cheapest"
    return Threshold(
        value=value,
        tuned=True,
        reason=f"least cost on the validation rows{extreme.get(alerts, '')}",
        cost=int(cost[best]),
        cost_never=int(cost[-1]),
    )


def _untunable(rows: pl.DataFrame) -> str | None:
    if rows.is_empty():
        return "there are no labelled validation rows"
    frauds = int(rows["is_fraud"].sum())
    if frauds == 0:
        return f"none of the {rows.height:,} validation rows is a fraud"
    if frauds == rows.height:
        return f"all {rows.height:,} validation rows are frauds"
    if rows["score"].n_unique() == 1:
        return f"all {rows.height:,} validation rows have the same score"
    return None


def _fallback(rows: pl.DataFrame, costs: Costs, reason: str) -> Threshold:
    score, is_fraud, amount_cents = arrays(rows)
    return Threshold(
        value=FALLBACK,
        tuned=False,
        reason=f"{reason}, so the fallback {FALLBACK} is taken",
        cost=cost_cents(score > FALLBACK, is_fraud, amount_cents, costs),
        cost_never=cost_cents(np.zeros(score.size, dtype=bool), is_fraud, amount_cents, costs),
    )
