"""The evaluation report: one HTML file that says whether a model is better, than what, and why."""

import msgspec

from fraud_platform.modelling.page import (
    Cell,
    heading,
    page,
    paragraph,
    picture,
    table,
    tiles,
    verdict,
)
from fraud_platform.modelling.record import EvaluationRecord, Rival, TrainingRecord
from fraud_platform.modelling.report_origin import calibration, settings, windows
from fraud_platform.modelling.rivals import CHAMPION
from fraud_platform.modelling.slices import Slice
from fraud_platform.modelling.verdict import Condition
from fraud_platform.modelling.wording import (
    COMPARED,
    COUNTS,
    called,
    gain,
    policy,
    remarks,
    shown,
    span,
)

MEANINGS = {
    "money_saved": "Currency units saved against calling nothing fraud",
    "card_precision_100": "Share of frauds among each day's 100 most suspicious users, mean",
    "average_precision": "Area under precision and recall; chance is the share of frauds",
    "auc_roc": "Area under ROC; chance is 0.5",
    "precision": "Share of alerts that were frauds",
    "recall": "Share of frauds that were alerts",
    "f1": "Harmonic mean of precision and recall",
    "accuracy": "Share of right decisions",
    "accuracy_never_fraud": "The same for calling nothing fraud",
    "brier": "Mean squared distance between score and outcome; 0 is best",
    "expected_calibration_error": "Mean distance between score and share of frauds; 0 is best",
    **COUNTS,
}
PLOTS = {
    "precision_recall": "Precision and recall",
    "roc": "ROC",
    "cost": "Cost against threshold",
    "calibration": "Calibration",
    "importance": "Feature importance",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the report shows: how a model was made, how it did on its test days, what the gate says.

    `plots` are PNG by name. Without conditions there is no word of a gate.
    """

    model_name: str
    training: TrainingRecord
    evaluation: EvaluationRecord
    plots: dict[str, bytes]
    gate: list[Condition] = []


def render(report: Report) -> str:
    """The report as one HTML page: no script, no other file, legible on a phone."""
    training, evaluation = report.training, report.evaluation
    title = f"{report.model_name} v{evaluation.model_version}"
    threshold = training.threshold
    parts = [
        heading(title, level=1),
        paragraph(
            f"Trained as of the end of {training.partition}, reported on the test days "
            f"{training.split.test}, which nothing was chosen on."
        ),
        _headline(evaluation),
        *_gate(report.gate),
        heading("Beside others, on the same rows"),
        *_comparison(training, evaluation),
        heading("Slices"),
        _slices(evaluation),
        heading("Threshold"),
        paragraph(
            f"A payment with a probability over {threshold.value:.4f} is called fraud.",
            *policy(training.training, threshold),
        ),
        heading("Calibration"),
        *calibration(training, evaluation),
        heading("All metrics"),
        _metrics(evaluation),
        heading("How it was made"),
        windows(training),
        settings(training),
        heading("Plots"),
        *(picture(PLOTS.get(name, name), png) for name, png in report.plots.items()),
    ]
    return page(title, parts)


def _headline(evaluation: EvaluationRecord) -> str:
    def figure(name: str) -> Cell:
        between = span(name, evaluation.intervals.get(name))
        return Cell(shown(name, evaluation.metrics[name]), between)

    def share(name: str) -> Cell:
        found = evaluation.intervals.get(name)
        between = f"{found.low:.1%} to {found.high:.1%}" if found else ""
        return Cell(f"{evaluation.metrics[name]:.1%}", between)

    never = f"{evaluation.metrics['accuracy_never_fraud']:.2%}"
    return tiles(
        {
            "Money saved": figure("money_saved"),
            "Card precision at 100": figure("card_precision_100"),
            "Average precision": figure("average_precision"),
            "Frauds caught": share("recall"),
            "Alerts that were right": share("precision"),
            "Accuracy": Cell(f"{evaluation.metrics['accuracy']:.2%}", f"never fraud: {never}"),
        }
    )


def _gate(conditions: list[Condition]) -> list[str]:
    if not conditions:
        return []
    failed = [one for one in conditions if not one.passed]
    said = (
        f"Refused: {len(failed)} of {len(conditions)} conditions failed."
        if failed
        else f"Passed all {len(conditions)} conditions."
    )
    body = [
        [
            Cell(one.name, one.sentence),
            Cell("pass", kind="good") if one.passed else Cell("fail", kind="bad"),
            one.figure,
            one.limit,
        ]
        for one in [*failed, *(one for one in conditions if one.passed)]
    ]
    return [
        heading("Promotion"),
        verdict(said, good=not failed),
        table(("Condition", "Verdict", "Found", "Asked"), body),
    ]


def _comparison(training: TrainingRecord, evaluation: EvaluationRecord) -> list[str]:
    head = ("Metric", "This model", *(called(rival, training) for rival in evaluation.rivals))
    body = [
        [
            name,
            Cell(shown(name, evaluation.metrics[name]), span(name, evaluation.intervals.get(name))),
            *(_rival(name, evaluation, rival) for rival in evaluation.rivals),
        ]
        for name in COMPARED
    ]
    return [
        paragraph(*remarks(evaluation)),
        table(head, body, numbers=range(1, len(head))),
        paragraph(
            "Small, below a rival's figure: how much more this model did, and between which two "
            "figures 95% of the bootstrap's samples of users lie; green where they are all above "
            "0, red where they are all below."
        ),
    ]


def _rival(name: str, evaluation: EvaluationRecord, rival: Rival) -> Cell:
    if name not in rival.metrics:
        return Cell("has no ranking")
    found = rival.gain.get(name)
    kind = "" if not found else "good" if found.low > 0 else "bad" if found.high < 0 else ""
    return Cell(shown(name, rival.metrics[name]), gain(name, evaluation, rival), kind)


def _slices(evaluation: EvaluationRecord) -> str:
    champion = next((one for one in evaluation.rivals if one.name == CHAMPION), None)
    theirs = {(one.dimension, one.value): one for one in champion.slices} if champion else {}
    head = ["Slice", "Rows", "Frauds", "Alerts", "Precision", "Recall", "Saved", "Av. precision"]
    body = [
        [
            f"{part.dimension}: {part.value}",
            f"{part.rows:,}",
            f"{part.frauds:,}",
            f"{part.alerts:,}",
            f"{part.precision:.1%}" if part.alerts else "no alert",
            f"{part.recall:.1%}" if part.frauds else "no fraud",
            shown("money_saved", part.money_saved / 100),
            _average_precision(part),
            *([_average_precision(theirs[part.dimension, part.value])] if champion else []),
        ]
        for part in evaluation.slices
    ]
    head += ["Champion's"] if champion else []
    return table(head, body, numbers=range(1, len(head)))


def _average_precision(part: Slice) -> str:
    found = part.average_precision
    return "one class" if found is None else shown("average_precision", found)


def _metrics(evaluation: EvaluationRecord) -> str:
    body = [
        [
            Cell(name, meaning),
            Cell(shown(name, evaluation.metrics[name]), span(name, evaluation.intervals.get(name))),
        ]
        for name, meaning in MEANINGS.items()
    ]
    return table(("Metric", "Value"), body, numbers=(1,))
