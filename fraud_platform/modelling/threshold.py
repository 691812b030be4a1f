"""The threshold: a fraud is called where p > threshold."""

import msgspec
import numpy as np
import polars as pl

from fraud_platform.modelling.costs import Costs, cost_cents, costs_of
from fraud_platform.modelling.scored import arrays, check_scores, weight_of
from fraud_platform.settings import Training


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold, what it costs on the rows it was chosen on, and why it is this one.

    `tuned` is False where the fixed one was taken; `cost_never` is what calling nothing fraud
    costs. Costs are cents.
    """

    value: float
    tuned: bool
    reason: str
    cost: int
    cost_never: int


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Every threshold at which the decisions change, ascending from 0, and what it decides.

    All arrays have the shape (distinct scores and 0,). What `thresholds[i]` decides holds up to,
    but not including, `thresholds[i + 1]`, and the last up to 1: together they say it of any
    threshold from 0 to 1. `cost` is in cents, `alerts` and `caught` (frauds among them) are counts,
    by the rows' weight where they have one.
    """

    thresholds: np.ndarray
    cost: np.ndarray
    alerts: np.ndarray
    caught: np.ndarray


def curve(rows: pl.DataFrame, costs: Costs) -> Curve:
    """The decisions on scored rows (see `scored`), at least one, by threshold."""
    score, is_fraud, amount_cents = arrays(rows)
    order = np.argsort(score, kind="stable")
    score, is_fraud = score[order], is_fraud[order]
    # What an alert on a row changes, against letting it through.
    missed = -(amount_cents[order] + costs.missed_fraud_fee)
    change = np.where(is_fraud, missed, costs.false_alarm) + costs.review
    given = weight_of(rows)
    weight = np.ones(score.size, np.int64) if given is None else given[order]
    never = -(missed * weight)[is_fraud].sum()
    last_of_score = np.append(np.flatnonzero(np.diff(score)), score.size - 1)
    thresholds = score[last_of_score]
    first = -1 if score[0] > 0 else None  # the threshold 0, below every score
    if first is not None:
        thresholds, last_of_score = np.insert(thresholds, 0, 0.0), np.insert(last_of_score, 0, -1)

    def above(values: np.ndarray) -> np.ndarray:
        below = np.concatenate([[0], np.cumsum(values)])
        return below[-1] - below[last_of_score + 1]

    cost = never + above(change * weight)
    return Curve(
        thresholds=thresholds,
        # Exact as integers are, where no weight makes fractions of them.
        cost=cost if given is None else np.rint(cost).astype(np.int64),
        alerts=above(weight),
        caught=above(is_fraud * weight),
    )


def tune_threshold(rows: pl.DataFrame, training: Training) -> Threshold:
    """The threshold that `training.threshold_by` asks for on scored rows, or the fixed one with
    the reason.

    By cost a missed fraud costs its amount and a fee, a false alarm and a review fixed sums
    (example-dependent costs as in Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001),
    and at least `min_precision` of the alerts have to be right. Of several equally good ones it
    takes the highest, which stops the fewest payments, and of the gap between two scores the
    middle. Raises EvaluationError for scores that are no probabilities.
    """
    costs = costs_of(training)
    check_scores(rows)
    trouble = _untunable(rows)
    if training.threshold_by == "fixed" or trouble:
        return _fixed(rows, training, costs, trouble)
    found = curve(rows, costs)
    best, reason = _choose(found, rows, training)
    if best is None:
        return _fixed(rows, training, costs, reason)
    low = float(found.thresholds[best])
    high = float(found.thresholds[best + 1]) if best + 1 < found.cost.size else 1.0
    middle = (low + high) / 2
    stopped = int(np.count_nonzero(rows["score"].to_numpy() > low))
    extreme = {0: ", which stops no payment", rows.height: ", which stops every payment"}
    return Threshold(
        # Between two neighbouring doubles there is no middle: it rounds to one of them.
        value=middle if middle < high else low,
        tuned=True,
        reason=f"{reason} on the validation rows{extreme.get(stopped, '')}",
        cost=int(found.cost[best]),
        cost_never=int(found.cost[-1]),
    )


def _choose(found: Curve, rows: pl.DataFrame, training: Training) -> tuple[int | None, str]:
    """The place of the chosen threshold in the curve, or None, and why."""
    precision = found.caught / np.maximum(found.alerts, 1)
    weight = weight_of(rows)
    is_fraud = rows["is_fraud"].to_numpy()
    recall = found.caught / (is_fraud.sum() if weight is None else weight[is_fraud].sum())
    wished = training.threshold_wished
    match training.threshold_by:
        case "cost":
            floor = training.min_precision
            allowed = (precision >= floor) | (found.alerts == 0)
            cost = np.where(allowed, found.cost, np.iinfo(np.int64).max)
            asked = f" with at least {floor:.0%} of the alerts right" if floor else ""
            return cost.size - 1 - int(np.argmin(cost[::-1])), f"least cost{asked}"
        case "precision":
            reached = np.flatnonzero((precision >= wished) & (found.alerts > 0))
            if not reached.size:
                best = f"{precision.max():.1%}"
                return None, f"no threshold reaches a precision of {wished:.1%} (best: {best})"
            return int(reached[0]), f"most frauds caught with a precision of {wished:.1%} or more"
        case "recall":
            reached = np.flatnonzero(recall >= wished)
            if not reached.size:
                return None, f"a recall of {wished:g} can't be reached; it is a share of 0 to 1"
            return int(reached[-1]), f"fewest alerts with a recall of {wished:.1%} or more"
        case _:
            budget = wished * rows["event_date"].n_unique()
            within = np.flatnonzero(found.alerts <= budget)
            return int(within[0]), f"most alerts within {wished:g} a day"


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


def _fixed(rows: pl.DataFrame, training: Training, costs: Costs, trouble: str | None) -> Threshold:
    value = training.threshold_fixed
    score, is_fraud, amount_cents = arrays(rows)
    weight = weight_of(rows)
    return Threshold(
        value=value,
        tuned=False,
        reason=f"{trouble}, so {value} is taken" if trouble else "fixed by training.threshold_by",
        cost=cost_cents(score > value, is_fraud, amount_cents, costs, weight),
        cost_never=cost_cents(
            np.zeros(score.size, dtype=bool), is_fraud, amount_cents, costs, weight
        ),
    )
