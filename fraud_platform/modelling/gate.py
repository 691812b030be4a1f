"""The gate: what a challenger has to show before it goes live.

It judges what others have measured: the report on the test days, and a sample of the newest day.
"""

import math
from collections.abc import Sequence
from datetime import timedelta

from fraud_platform.modelling.gate_comparison import better, slices, why_incomparable
from fraud_platform.modelling.promotion_log import Entry
from fraud_platform.modelling.record import EvaluationRecord, TrainingRecord
from fraud_platform.modelling.verdict import Condition, Sample
from fraud_platform.settings import Gate, Labels

CONDITIONS = {
    "better": "Its metric is above the live model's on the same rows, or, where none is live, its "
    "average precision above chance and the amount rule's.",
    "slices": "In no slice does its average precision collapse against the live model's.",
    "parity": "The newest day's features are the same bits online and offline.",
    "schema": "Its features are those of this version's catalogue, in their order.",
    "scores": "All its metrics are finite and all its scores probabilities.",
    "both_classes": "Its test days have frauds and legitimate transactions.",
    "labels_mature": "The labels of its test days were final when it was trained.",
    "not_rolled_back": "Nobody has rolled it back.",
}


def judge(
    evaluation: EvaluationRecord,
    training: TrainingRecord,
    gate: Gate,
    labels: Labels,
    *,
    live: Entry | None,
    sample: Sample,
    features: Sequence[str],
    rolled_back: Entry | None,
) -> list[Condition]:
    """The conditions of CONDITIONS, in their order.

    `live` is the entry of the model to replace, `features` the catalogue's names, `rolled_back` the
    rollback that took this very model out of service.
    """
    champion = next((one for one in evaluation.rivals if one.name == "champion"), None)
    compared = why_incomparable(evaluation, champion, live)
    return [
        compared or better(evaluation, champion, gate),
        slices(evaluation, None if compared else champion, gate),
        _parity(sample, gate),
        _schema(training, features),
        _scores(evaluation, sample),
        _both_classes(evaluation),
        _labels_mature(training, labels),
        _not_rolled_back(rolled_back),
    ]


def _parity(sample: Sample, gate: Gate) -> Condition:
    figure = f"{sample.differing:,} of {sample.vectors:,} vectors' values on {sample.day or 'none'}"
    passed = not sample.fault and sample.vectors > 0 and sample.differing == 0
    if not gate.parity:
        passed, sentence = True, "parity of features is not asked for (gate.parity)"
        figure = "not measured"
    elif sample.fault:
        sentence = f"parity of features could not be measured: {sample.fault}"
    elif not sample.vectors:
        sentence = "parity of features could not be measured: there are no features to replay"
    else:
        sentence = (
            f"{sample.differing:,} values of {sample.vectors:,} feature vectors of {sample.day} "
            "differ between online and offline"
        )
        if sample.differing:
            day = sample.day
            sentence += f": `predictflow parity --from {day} --to {day}` names them"
    return Condition(
        name="parity", figure=figure, limit="0 differ", passed=passed, sentence=sentence
    )


def _schema(training: TrainingRecord, features: Sequence[str]) -> Condition:
    mine, wanted = training.features, list(features)
    unknown = [name for name in mine if name not in wanted]
    absent = [name for name in wanted if name not in mine]
    if mine == wanted:
        sentence = f"its {len(mine)} features are the catalogue's"
    else:
        what = [f"knows no {', '.join(unknown)}"] if unknown else []
        what += [f"has {', '.join(absent)} more"] if absent else []
        sentence = (
            f"this version's catalogue {' and '.join(what) or 'has its features in another order'}:"
            " train it again"
        )
    return Condition(
        name="schema",
        figure=f"{len(mine)} features, {len(unknown)} unknown, {len(absent)} absent",
        limit=f"the {len(wanted)} of the catalogue, in their order",
        passed=mine == wanted,
        sentence=sentence,
    )


def _scores(evaluation: EvaluationRecord, sample: Sample) -> Condition:
    odd = [name for name, value in evaluation.metrics.items() if not math.isfinite(value)]
    if odd:
        sentence = f"its report has no finite {', '.join(odd)}"
    elif not sample.scored:
        sentence = "no transaction of the newest day could be scored with it"
    else:
        sentence = (
            f"{sample.improbable:,} of {sample.scored:,} of its scores of {sample.day} are no "
            "probabilities"
        )
    return Condition(
        name="scores",
        figure=f"{sample.improbable:,} of {sample.scored:,} scores, {len(odd)} metrics",
        limit="0 of at least one",
        passed=not odd and sample.scored > 0 and sample.improbable == 0,
        sentence=sentence,
    )


def _both_classes(evaluation: EvaluationRecord) -> Condition:
    frauds, rows = evaluation.metrics["frauds"], evaluation.metrics["rows"]
    return Condition(
        name="both_classes",
        figure=f"{frauds:,.0f} frauds of {rows:,.0f} rows",
        limit="both classes",
        passed=0 < frauds < rows,
        sentence=f"its test days have {frauds:,.0f} frauds among {rows:,.0f} transactions",
    )


def _labels_mature(training: TrainingRecord, labels: Labels) -> Condition:
    test = training.split.test.last
    mature = test + timedelta(labels.maturity_days)
    passed = mature.isoformat() <= training.partition
    return Condition(
        name="labels_mature",
        figure=f"tested up to {test}, trained as of {training.partition}",
        limit=f"{labels.maturity_days} days between",
        passed=passed,
        sentence=f"its test days end on {test}, whose labels are final from {mature} on, "
        f"{'by' if passed else 'later than'} its own day {training.partition}",
    )


def _not_rolled_back(entry: Entry | None) -> Condition:
    if entry is None:
        figure = sentence = "nobody has rolled it back"
    else:
        figure = f"promotion {entry.number}"
        sentence = (
            f"{entry.who} rolled it back at {entry.at} ({entry.why}): promote it by hand, with "
            "--force, if it shall serve again"
        )
    return Condition(
        name="not_rolled_back",
        figure=figure,
        limit="never",
        passed=entry is None,
        sentence=sentence,
    )
