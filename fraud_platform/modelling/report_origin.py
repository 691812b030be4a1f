"""The parts of the report that say how a model was made."""

from fraud_platform.modelling.page import paragraph, table
from fraud_platform.modelling.record import EvaluationRecord, TrainingRecord
from fraud_platform.modelling.split import DateRange
from fraud_platform.modelling.wording import shown

SETTINGS = {
    "depth": "Depth of a tree",
    "learning_rate": "Learning rate",
    "row_share": "Share of the rows a tree",
    "feature_share": "Share of the features a tree",
    "min_child_weight": "Least weight of a leaf",
    "l2": "L2 penalty",
    "negative_share": "Share of the legitimate rows",
    "monotone": "Monotone constraints",
    "tune_minutes": "Minutes of tuning",
    "seed": "Seed",
    "device": "Device",
}


def windows(training: TrainingRecord) -> str:
    """The days of each part, the gap, and the table versions."""
    split = training.split
    gap = DateRange(split.fit.end, (split.test if split.random else split.validation).start)
    days = {
        "Fit days": _days(split.fit),
        "Gap": f"{_days(gap)}: nobody uses them" if gap.days else "none",
        "Validation days": _days(split.validation) if split.validation.days else "none",
        "Test days": _days(split.test),
    }
    if split.random:
        days["Validation days"] = (
            f"drawn at random from {_days(split.fit)}, of each class and day alike, as many as "
            f"{training.training.validation_days} days have"
        )
    versions = {
        f"Table {name}": f"version {version}"
        for name, version in sorted(training.table_versions.items())
    }
    return table((), [[name, value] for name, value in (days | versions).items()])


def settings(training: TrainingRecord) -> str:
    """The trees that stayed and the settings that they were grown with."""
    asked = training.training
    stayed = f"{training.rounds} of at most {asked.trees}"
    if training.rounds < asked.trees:
        stayed += ": more did no better on the validation days"
    if asked.parallel_trees > 1:
        stayed += f"; {asked.parallel_trees} side by side each"
    found = {"Trees that stayed": stayed}
    for name, label in SETTINGS.items():
        value = getattr(asked, name)
        found[label] = ("yes" if value else "no") if isinstance(value, bool) else f"{value}"
    found["Features"] = f"{len(training.features)}"
    return table((), [[name, value] for name, value in found.items()])


def calibration(training: TrainingRecord, evaluation: EvaluationRecord) -> list[str]:
    """What the probabilities are worth before and after they were calibrated."""
    made = training.calibration
    if made is None:
        return [paragraph("The model's own scores, which were not calibrated.")]
    after, before = evaluation.metrics, evaluation.uncalibrated
    body = [
        [label, shown(name, before[name]), shown(name, after[name])]
        for name, label in {
            "brier": "Brier score",
            "expected_calibration_error": "Calibration error",
        }.items()
        if name in before
    ]
    return [
        paragraph(
            "Of payments with a probability of 0.3 three in ten should be frauds. The scores were "
            "bent on the validation days (beta calibration, "
            f"a = {made.a:.3f}, b = {made.b:.3f}, c = {made.c:.3f}), and here are the test days; 0 "
            "is best."
        ),
        table(("", "Before", "After"), body, numbers=(1, 2)),
    ]


def _days(span: DateRange) -> str:
    return f"{span.start if span.days == 1 else span} ({span.days})"
