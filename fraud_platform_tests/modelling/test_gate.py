"""The gate: each condition alone can refuse, and says why."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.gate import CONDITIONS, judge
from fraud_platform.modelling.promotion_log import Entry
from fraud_platform.modelling.record import EvaluationRecord, TrainingRecord
from fraud_platform.modelling.verdict import Condition, Sample, Verdict
from fraud_platform.settings import Gate, Labels
from fraud_platform_tests.modelling.generated import DAY, LABELS
from fraud_platform_tests.modelling.records import (
    METRICS,
    amount_rule,
    champion,
    evaluated,
    slice_of,
    trained,
)

LIVE = Entry(
    number=5,
    action="promote",
    bundle="2026-03-30-v5-555555555555",
    model_version="5",
    partition="2026-03-30",
    sha256="5" * 64,
    from_bundle=None,
    from_version=None,
    who="ann",
    at="2026-03-31T02:00:00+00:00",
    why="better",
)
SAMPLE = Sample(day="2026-03-31", vectors=200, differing=0, scored=1000, improbable=0)


def judged(
    evaluation: EvaluationRecord | None = None,
    training: TrainingRecord | None = None,
    gate: Gate | None = None,
    *,
    labels: Labels = LABELS,
    live: Entry | None = LIVE,
    sample: Sample = SAMPLE,
    rolled_back: Entry | None = None,
) -> list[Condition]:
    return judge(
        evaluation or evaluated(champion()),
        training or trained(),
        gate or Gate(),
        labels,
        live=live,
        sample=sample,
        features=FEATURE_NAMES,
        rolled_back=rolled_back,
    )


def only_fault(conditions: list[Condition], name: str) -> Condition:
    """The condition of this name, which is the only one that fails."""
    assert [one.name for one in conditions if not one.passed] == [name]
    return next(one for one in conditions if one.name == name)


def test_a_better_model_passes_every_condition_in_order() -> None:
    found = judged()
    assert [one.name for one in found] == list(CONDITIONS)
    assert all(one.passed for one in found)
    assert found[0].sentence == (
        "its average precision 0.4400 on 3 test days is above the champion v5's 0.4100"
    )
    assert found[0].figure == "0.4400, gain 95 % -0.0100 to +0.0700"


@pytest.mark.parametrize("theirs", [0.44, 0.4401, 1.0, float("nan")])
def test_a_model_that_is_not_better_is_refused(theirs: float) -> None:
    fault = only_fault(judged(evaluated(champion(average_precision=theirs))), "better")
    assert "0.4400 on 3 test days is not above the champion v5's" in fault.sentence


def test_a_gain_that_is_too_small_is_refused() -> None:
    small = Gate(min_gain=0.05)
    assert "by more than 0.05" in only_fault(judged(gate=small), "better").sentence
    assert all(one.passed for one in judged(gate=Gate(min_gain=0.02)))


def test_the_metric_is_the_one_that_is_set() -> None:
    worse = champion(metrics=METRICS | {"average_precision": 0.1, "money_saved": 2000.0})
    fault = only_fault(judged(evaluated(worse), gate=Gate(metric="money_saved")), "better")
    assert "its money saved 1,250.50 on 3 test days is not above" in fault.sentence
    assert all(one.passed for one in judged(evaluated(worse)))


def test_the_same_model_is_not_better_than_itself() -> None:
    same = evaluated(champion(average_precision=0.1), sha256=LIVE.sha256)
    assert "the same model as the live v5" in only_fault(judged(same), "better").sentence


@pytest.mark.parametrize(
    ("rivals", "live", "says"),
    [
        ([champion("4")], LIVE, "compares it with v4 while v5 is live"),
        ([champion("5", sha256="4" * 64)], LIVE, "compares it with another v5 while v5 is live"),
        ([], LIVE, "compares it with nobody while v5 is live"),
        ([champion("5")], None, "compares it with v5 while nobody is live"),
    ],
)
def test_a_report_that_speaks_of_another_live_model_is_refused(
    rivals: list[Any], live: Entry | None, says: str
) -> None:
    fault = only_fault(judged(evaluated(*rivals), live=live), "better")
    assert says in fault.sentence
    assert "materialise evaluation_report of 2026-03-31 again" in fault.sentence


def test_a_live_model_that_cannot_be_compared_leaves_it_to_a_person() -> None:
    record = evaluated(incomparable="it takes the feature gone")
    fault = only_fault(judged(record), "better")
    assert "(it takes the feature gone)" in fault.sentence
    assert "predictflow models promote 7 --force" in fault.sentence


def test_the_first_model_must_beat_chance_and_the_amount_rule() -> None:
    assert all(one.passed for one in judged(evaluated(), live=None))
    rule = msgspec.structs.replace(evaluated(), rivals=[amount_rule(0.44)])
    assert "and the amount rule (0.4400)" in only_fault(judged(rule, live=None), "better").sentence
    chance = evaluated(metrics=METRICS | {"average_precision": 0.3, "frauds": 400.0})
    assert "chance (0.4000)" in only_fault(judged(chance, live=None), "better").sentence
    without = msgspec.structs.replace(evaluated(), rivals=[])
    fault = only_fault(judged(without, live=None), "better")
    assert "doesn't compare it with the amount rule" in fault.sentence


def test_a_slice_that_collapses_is_refused_and_named() -> None:
    record = evaluated(champion(), slices=[slice_of("under 10", 0.1), slice_of("10 to 50", 0.6)])
    fault = only_fault(judged(record), "slices")
    assert "0.2000 below the champion's in the slice amount under 10" in fault.sentence
    assert fault.limit == "at most 0.1 below, with 30 frauds or more"


def test_slices_of_few_frauds_or_one_class_are_not_judged() -> None:
    few = [slice_of("under 10", 0.0, frauds=29), slice_of("10 to 50", None)]
    found = {one.name: one for one in judged(evaluated(champion(), slices=few))}
    assert found["slices"].passed
    assert found["slices"].figure == "no slice to compare"


def test_a_slice_that_the_champion_has_no_figure_of_is_refused() -> None:
    only_fault(judged(evaluated(champion(slices=[]))), "slices")


def sampled(**changes: Any) -> Sample:
    return msgspec.structs.replace(SAMPLE, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"differing": 3}, "3 values of 200 feature vectors of 2026-03-31 differ"),
        ({"vectors": 0}, "there are no features to replay"),
        ({"vectors": 0, "fault": "the lake is away"}, "could not be measured: the lake is away"),
    ],
)
def test_features_that_differ_or_cannot_be_replayed_are_refused(
    changes: dict[str, Any], says: str
) -> None:
    assert says in only_fault(judged(sample=sampled(**changes)), "parity").sentence
    off = judged(sample=sampled(**changes), gate=Gate(parity=False))
    assert all(one.passed for one in off)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([*FEATURE_NAMES, "gone"], "knows no gone"),
        (list(FEATURE_NAMES[1:]), f"has {FEATURE_NAMES[0]} more"),
        ([*FEATURE_NAMES[1:], FEATURE_NAMES[0]], "in another order"),
    ],
)
def test_a_model_of_another_catalogue_is_refused(features: list[str], says: str) -> None:
    fault = only_fault(judged(training=trained(features=features)), "schema")
    assert says in fault.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"improbable": 2}, "2 of 1,000 of its scores of 2026-03-31 are no probabilities"),
        ({"scored": 0}, "no transaction of the newest day could be scored"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(changes: dict[str, Any], says: str) -> None:
    assert says in only_fault(judged(sample=sampled(**changes)), "scores").sentence


def test_a_metric_that_is_not_finite_is_refused() -> None:
    record = evaluated(champion(), metrics=METRICS | {"recall": float("nan")})
    assert "no finite recall" in only_fault(judged(record), "scores").sentence


@pytest.mark.parametrize("frauds", [0.0, 1000.0])
def test_test_days_of_one_class_are_refused(frauds: float) -> None:
    record = evaluated(champion(), metrics=METRICS | {"frauds": frauds})
    assert "frauds among 1,000" in only_fault(judged(record), "both_classes").sentence


def test_test_days_whose_labels_were_not_final_are_refused() -> None:
    fault = only_fault(judged(labels=Labels(maturity_days=8)), "labels_mature")
    last = DAY - timedelta(days=7)
    assert f"test days end on {last}" in fault.sentence
    assert "later than its own day 2026-03-31" in fault.sentence
    only_fault(judged(training=trained(partition="2026-03-30")), "labels_mature")


def test_a_model_that_was_rolled_back_is_refused() -> None:
    entry = msgspec.structs.replace(LIVE, action="rollback", who="bob", why="too many alarms")
    fault = only_fault(judged(rolled_back=entry), "not_rolled_back")
    assert "bob rolled it back at 2026-03-31T02:00:00+00:00 (too many alarms)" in fault.sentence


def verdict(conditions: list[Condition]) -> Verdict:
    return Verdict(
        model_name="fraud_detector",
        model_version="7",
        live_version="5",
        at="2026-04-01T02:00:00+00:00",
        conditions=conditions,
    )


def test_a_refusal_reads_as_one_sentence() -> None:
    record = evaluated(champion(average_precision=0.47), metrics=METRICS)
    found = verdict(judged(record, sample=sampled(differing=1)))
    assert not found.passed
    assert found.can_serve
    assert found.refusal == (
        "fraud_detector v7 was not promoted: its average precision 0.4400 on 3 test days is not "
        "above the champion v5's 0.4700; 1 values of 200 feature vectors of 2026-03-31 differ "
        "between online and offline: `predictflow parity --from 2026-03-31 --to 2026-03-31` names "
        "them"
    )


def test_a_verdict_reads_back_from_json_and_knows_what_no_service_takes() -> None:
    good = verdict(judged())
    assert good.refusal == ""
    assert msgspec.json.decode(msgspec.json.encode(good), type=Verdict) == good
    assert not verdict(judged(training=trained(features=["amount"]))).can_serve
    assert not verdict(judged(sample=sampled(improbable=1))).can_serve
