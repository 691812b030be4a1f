"""A model beside those that it has to be better than, on the same rows."""

import msgspec

from fraud_platform.modelling.amount_rule import scored_by_amount
from fraud_platform.modelling.bootstrap import Entrant, gains, interval, resample
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.evaluate import Metrics, evaluate
from fraud_platform.modelling.record import Interval, Rival
from fraud_platform.modelling.slices import Slice, by_slice
from fraud_platform.modelling.threshold import Threshold

CHAMPION, AMOUNT_RULE, NEVER_FRAUD = "champion", "amount rule", "never fraud"
PROBABILITIES = frozenset({"brier", "expected_calibration_error"})
"""Metrics of scores that are probabilities."""


class Contender(Entrant, frozen=True, kw_only=True):
    """A model that decides on the test rows; the rest is as in `record.Rival`."""

    model_version: str
    sha256: str
    seen: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a model did on the test rows, and what its rivals did there."""

    metrics: Metrics
    intervals: dict[str, Interval]
    slices: list[Slice]
    rivals: list[Rival]


def compare(
    model: Entrant,
    costs: Costs,
    *,
    champion: Contender | None,
    amount_rule: Threshold | None,
    samples: int,
    seed: int,
) -> Comparison:
    """The model's figures with intervals, and those of its rivals on the same rows and draws.

    The rivals are the champion and the rule on amounts, where they are given, and calling nothing
    fraud. Raises EvaluationError for rows that `evaluate` would refuse.
    """
    entrants: dict[str, Entrant] = {}
    if champion:
        entrants[CHAMPION] = champion
    if amount_rule:
        rows = scored_by_amount(model.rows)
        entrants[AMOUNT_RULE] = Entrant(rows=rows, threshold=amount_rule.value)
    # No score is above 1.
    entrants[NEVER_FRAUD] = Entrant(rows=model.rows, threshold=1.0, ranks=False)
    metrics = evaluate(model.rows, model.threshold, costs)
    drawn = resample({"model": model, **entrants}, costs, samples=samples, seed=seed)

    def rival(name: str, entrant: Entrant) -> Rival:
        found = _figures(name, entrant, costs)
        judged = [key for key in found if key in drawn[name] and key != "accuracy_never_fraud"]
        bare = Rival(name=name, metrics=found, gain=gains(drawn["model"], drawn[name], judged))
        if not isinstance(entrant, Contender):
            return bare
        return msgspec.structs.replace(
            bare,
            model_version=entrant.model_version,
            sha256=entrant.sha256,
            seen=entrant.seen,
            slices=by_slice(entrant.rows, entrant.threshold, costs),
        )

    intervals = {name: interval(values) for name, values in drawn["model"].items()}
    return Comparison(
        metrics=metrics,
        intervals={name: one for name, one in intervals.items() if one is not None},
        slices=by_slice(model.rows, model.threshold, costs),
        rivals=[rival(name, entrant) for name, entrant in entrants.items()],
    )


def _figures(name: str, entrant: Entrant, costs: Costs) -> dict[str, float]:
    """The metrics that an entrant has scores for."""
    if not entrant.ranks:
        made = decide(entrant.rows, entrant.threshold, costs)
        return {
            "precision": made.precision,
            "recall": made.recall,
            "f1": made.f1,
            "accuracy": made.accuracy,
            "money_saved": made.money_saved / 100,
            "rows": made.rows,
            "frauds": made.frauds,
            "alerts": made.alerts,
        }
    found = evaluate(entrant.rows, entrant.threshold, costs).as_dict()
    left_out = PROBABILITIES if name == AMOUNT_RULE else frozenset()
    return {key: value for key, value in found.items() if key not in left_out}
