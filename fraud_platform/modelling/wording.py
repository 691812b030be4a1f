"""How figures read: on the report's page, in Dagster's metadata."""

from collections.abc import Sequence

from fraud_platform.modelling.amount_rule import limit_of
from fraud_platform.modelling.record import EvaluationRecord, Interval, Rival, TrainingRecord
from fraud_platform.modelling.rivals import AMOUNT_RULE, CHAMPION
from fraud_platform.modelling.threshold import Threshold
from fraud_platform.propensity import Weighed
from fraud_platform.settings import Training

COUNTS = {"rows": "Labelled transactions", "frauds": "Frauds", "alerts": "Alerts", "days": "Days"}
COMPARED = (
    "money_saved",
    "card_precision_100",
    "average_precision",
    "auc_roc",
    "recall",
    "precision",
    "f1",
    "accuracy",
)
"""Metrics that a model is set beside its rivals by; of each more is better."""
_DIGITS = {"money_saved": 0, **dict.fromkeys(COUNTS, 0), "brier": 5}
_FINE = {"accuracy", "accuracy_never_fraud", "expected_calibration_error"}


def shown(name: str, value: float, sign: str = "") -> str:
    """A metric as it is read: money without cents, counts whole, shares to three digits or more."""
    digits = _DIGITS.get(name, 4 if name in _FINE else 3)
    # Rounded first, so that nothing is not "-0".
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}"


def span(name: str, interval: Interval | None) -> str:
    """An interval as it is read; empty where there is none."""
    if interval is None:
        return ""
    return f"{shown(name, interval.low)} to {shown(name, interval.high)}"


def with_span(name: str, value: float, interval: Interval | None, sign: str = "") -> str:
    """A metric with its interval."""
    found = span(name, interval)
    return shown(name, value, sign) + (f" ({found})" if found else "")


def gain(name: str, evaluation: EvaluationRecord, rival: Rival) -> str:
    """How much more the model did than a rival, with its interval; empty where it has no such
    metric."""
    if name not in rival.metrics:
        return ""
    more = evaluation.metrics[name] - rival.metrics[name]
    return with_span(name, more, rival.gain.get(name), "+")


def called(rival: Rival, training: TrainingRecord) -> str:
    """A rival's name, with what tells it from another of that name."""
    if rival.name == CHAMPION:
        return f"Champion v{rival.model_version}"
    if rival.name == AMOUNT_RULE and training.amount_rule:
        return f"Amount over {limit_of(training.amount_rule):,.2f}"
    return rival.name.capitalize()


def remarks(evaluation: EvaluationRecord) -> list[str]:
    """What has to be known of the rows, and of the champion, to read the comparison."""
    found = [let_pass(evaluation.weighed)] if evaluation.weighed else []
    for rival in evaluation.rivals:
        if rival.sha256 == evaluation.sha256:
            found.append(f"The champion v{rival.model_version} is this very model.")
        if rival.seen:
            found.append(
                f"The champion v{rival.model_version} was fitted on {rival.seen} of the test days: "
                "it had seen the answers, so its figures flatter it."
            )
    if evaluation.incomparable:
        found.append(f"Not compared with the champion: {evaluation.incomparable}.")
    elif not any(rival.name == CHAMPION for rival in evaluation.rivals):
        found.append("There is no champion yet.")
    return found


def let_pass(weighed: Weighed) -> str:
    """What became of the rows where would-be blocks were let pass, in a sentence."""
    over = (
        f", as are {weighed.over_limit:,} over the limit of the draw" if weighed.over_limit else ""
    )
    return (
        f"Some would-be blocks were let pass at random: {weighed.passed:,} of the rows count "
        f"{weighed.counted:,.0f} times together, by the inverse of their propensity, for "
        f"{weighed.blocked:,} that were blocked and are left out{over}."
    )


def policy(training: Training, threshold: Threshold) -> list[str]:
    """How the threshold was chosen, and what it comes to, in sentences."""
    wished = training.threshold_wished
    floor = training.min_precision
    asked = {
        "cost": (
            f"The least cost on the validation days: a missed fraud costs its amount and "
            f"{training.missed_fraud_fee:,.2f}, a stopped legitimate payment "
            f"{training.false_alarm_cost:,.2f}, looking into an alert {training.review_cost:,.2f}"
            + (f"; at least {floor:.0%} of the alerts had to be right." if floor else ".")
        ),
        "precision": f"The most frauds caught with at least {wished:.1%} of the alerts right, on "
        "the validation days.",
        "recall": f"The fewest alerts with at least {wished:.1%} of the frauds caught, on the "
        "validation days.",
        "alerts": f"The most suspicious {wished:,g} payments a day, on the validation days.",
        "fixed": f"Fixed at {training.threshold_fixed:g}, without looking at any day.",
    }
    found = [asked[training.threshold_by]]
    if not threshold.tuned and training.threshold_by != "fixed":
        found.append(f"It could not be chosen so: {threshold.reason}.")
    if threshold.cost_never:
        found.append(
            f"There it cost {threshold.cost / 100:,.0f}, calling nothing fraud "
            f"{threshold.cost_never / 100:,.0f}."
        )
    return found


def rivals_table(training: TrainingRecord, evaluation: EvaluationRecord) -> str:
    """The comparison in Markdown: the model's figures with intervals, its gains on each rival."""
    rivals = evaluation.rivals
    body = [
        [
            name,
            with_span(name, evaluation.metrics[name], evaluation.intervals.get(name)),
            *(gain(name, evaluation, rival) or "none" for rival in rivals),
        ]
        for name in COMPARED
    ]
    head = ["", "this model", *(f"more than: {called(rival, training)}" for rival in rivals)]
    return "\n\n".join([_markdown(head, body), *remarks(evaluation)])


def slices_table(evaluation: EvaluationRecord) -> str:
    """The slices in Markdown."""
    head = ["slice", "rows", "frauds", "recall", "precision", "average precision"]
    body = [
        [
            f"{one.dimension}: {one.value}",
            f"{one.rows:,}",
            f"{one.frauds:,}",
            shown("recall", one.recall),
            shown("precision", one.precision),
            "one class"
            if one.average_precision is None
            else shown("average_precision", one.average_precision),
        ]
        for one in evaluation.slices
    ]
    return _markdown(head, body)


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
