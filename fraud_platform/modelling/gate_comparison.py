"""The challenger beside the live model: better on the same rows, and no slice that collapses."""

import math

from fraud_platform.modelling.promotion_log import Entry
from fraud_platform.modelling.record import EvaluationRecord, Rival
from fraud_platform.modelling.verdict import Condition
from fraud_platform.settings import Gate


def why_incomparable(
    evaluation: EvaluationRecord, champion: Rival | None, live: Entry | None
) -> Condition | None:
    """Why there is nothing to compare, if there isn't: the report must speak of the live model."""
    found = "nobody" if champion is None else f"v{champion.model_version}"
    wanted = "nobody" if live is None else f"v{live.model_version}"
    if live and champion and champion.sha256 not in (None, live.sha256):
        found = f"another {found}"
    anew = f"of {evaluation.partition} again"
    if live is not None and live.sha256 == evaluation.sha256:
        found, reason = f"v{evaluation.model_version}", f"it is the same model as the live {wanted}"
    elif live is not None and evaluation.incomparable is not None:
        reason = (
            f"it can't be compared with the live {wanted} ({evaluation.incomparable}): look at the "
            "reports of both and promote it by hand, predictflow models promote "
            f"{evaluation.model_version} --force --why TEXT"
        )
    elif found != wanted:
        reason = (
            f"its report compares it with {found} while {wanted} is live: materialise "
            f"evaluation_report {anew}"
        )
    elif live is None and not any(one.name == "amount rule" for one in evaluation.rivals):
        reason = (
            "its report doesn't compare it with the amount rule: materialise fraud_model and "
            f"evaluation_report {anew}"
        )
    else:
        return None
    return Condition(
        name="better",
        figure=f"compared with {found}",
        limit=f"another model than {wanted}, compared with it",
        passed=False,
        sentence=reason,
    )


def better(evaluation: EvaluationRecord, champion: Rival | None, gate: Gate) -> Condition:
    metrics = evaluation.metrics
    days = f"{metrics['days']:.0f} test days"
    if champion is None:
        (rule,) = (one for one in evaluation.rivals if one.name == "amount rule")
        mine, theirs = metrics["average_precision"], rule.metrics["average_precision"]
        chance = metrics["frauds"] / metrics["rows"] if metrics["rows"] else 1.0
        passed = mine > max(chance, theirs)
        return Condition(
            name="better",
            figure=f"{mine:.4f}",
            limit=f"above {max(chance, theirs):.4f}",
            passed=passed,
            sentence=f"its average precision {mine:.4f} on {days} is {_not(passed)}above both "
            f"chance ({chance:.4f}) and the amount rule ({theirs:.4f})",
        )
    nan = float("nan")
    mine, theirs = metrics.get(gate.metric, nan), champion.metrics.get(gate.metric, nan)
    passed = mine - theirs > gate.min_gain
    shown = ",.2f" if gate.metric == "money_saved" else ".4f"
    interval = champion.gain.get(gate.metric)
    figure = f"{mine:{shown}}"
    if interval is not None:
        figure += f", gain 95 % {interval.low:+{shown}} to {interval.high:+{shown}}"
    more = f" by more than {gate.min_gain:g}" if gate.min_gain else ""
    return Condition(
        name="better",
        figure=figure,
        limit=f"above {theirs:{shown}}{more}",
        passed=passed,
        sentence=f"its {gate.metric.replace('_', ' ')} {mine:{shown}} on {days} is {_not(passed)}"
        f"above the champion v{champion.model_version}'s {theirs:{shown}}{more}",
    )


def slices(evaluation: EvaluationRecord, champion: Rival | None, gate: Gate) -> Condition:
    theirs = {(one.dimension, one.value): one for one in champion.slices} if champion else {}
    drops: list[tuple[float, str]] = []
    for mine in evaluation.slices if champion else []:
        if mine.frauds >= gate.slice_min_frauds and mine.average_precision is not None:
            other = theirs.get((mine.dimension, mine.value))
            before = other.average_precision if other else None
            drop = math.inf if before is None else before - mine.average_precision
            drops.append((drop, f"{mine.dimension} {mine.value}"))
    failed = [one for one in drops if not one[0] <= gate.slice_max_drop]
    limit = f"at most {gate.slice_max_drop:g} below, with {gate.slice_min_frauds} frauds or more"
    if not drops:
        figure = "no slice to compare" if champion else "no live model to compare with"
        sentence = f"none of its slices could collapse: {figure}"
    elif failed:
        worst, name = max(failed)
        figure = f"{worst:.4f} below in {name}"
        named = ", ".join(name for _, name in failed)
        sentence = (
            f"its average precision lies {worst:.4f} below the champion's in the slice {name}, "
            f"more than {gate.slice_max_drop:g} ({len(failed)} of {len(drops)} slices: {named})"
        )
    else:
        worst, name = max(drops)
        figure = f"{worst:.4f} below in {name}"
        sentence = f"none of its {len(drops)} slices collapses, the least good is {name}"
    return Condition(
        name="slices", figure=figure, limit=limit, passed=not failed, sentence=sentence
    )


def _not(passed: bool) -> str:
    return "" if passed else "not "
