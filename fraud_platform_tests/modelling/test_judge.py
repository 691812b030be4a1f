"""A model beside its rivals: the record that promotion is decided on."""

import msgspec
import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.modelling.bootstrap import Entrant
from fraud_platform.modelling.champion import Champion, Incomparable
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.fit import fit
from fraud_platform.modelling.judge import enter, features_of, judge
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.record import EvaluationRecord, Rival, TrainingRecord
from fraud_platform.modelling.rivals import (
    AMOUNT_RULE,
    CHAMPION,
    NEVER_FRAUD,
    PROBABILITIES,
    compare,
)
from fraud_platform.modelling.scored import with_scores
from fraud_platform.modelling.slices import by_slice
from fraud_platform.modelling.train import Trained
from fraud_platform_tests.modelling.generated import TRAINING
from fraud_platform_tests.modelling.test_bundle import MADE

SHA = "5e" * 32
RANKINGS = {"auc_roc", "average_precision", "card_precision_100"}


@pytest.fixture(scope="module")
def champion(dataset: Dataset) -> Champion:
    """A live model of three trees, uncalibrated."""
    booster = fit(dataset.fit, msgspec.structs.replace(TRAINING, trees=3))
    return Champion(
        manifest=msgspec.structs.replace(MADE, sha256={"model.ubj": "ab" * 32}), booster=booster
    )


@pytest.fixture(scope="module")
def judged(
    dataset: Dataset, trained: Trained, record: TrainingRecord, champion: Champion
) -> EvaluationRecord:
    entered = enter(dataset.test, record, trained.booster, champion)
    return judge(entered, record, version="8", sha256=SHA, samples=60)


def rival(judged: EvaluationRecord, name: str) -> Rival:
    (found,) = [one for one in judged.rivals if one.name == name]
    return found


def test_the_models_figures_are_those_of_evaluate_on_the_test_days(
    judged: EvaluationRecord, dataset: Dataset, trained: Trained, costs: Costs
) -> None:
    scored, threshold = trained.score(dataset.test), trained.threshold.value
    assert judged.metrics == evaluate(scored, threshold, costs).as_dict()
    assert judged.slices == by_slice(scored, threshold, costs)
    assert (judged.partition, judged.model_version, judged.sha256) == ("2026-03-31", "8", SHA)
    uncounted = {"rows", "frauds", "days", "alerts"}
    assert set(judged.intervals) == set(judged.metrics) - uncounted
    assert all(one.low <= one.high for one in judged.intervals.values())
    # Frauds weigh twenty times as much in the fit: before calibration scores are far too high.
    assert judged.uncalibrated["brier"] > 2 * judged.metrics["brier"]


def test_the_champion_is_judged_on_the_same_rows_with_its_own_scores_and_threshold(
    judged: EvaluationRecord, dataset: Dataset, champion: Champion, costs: Costs
) -> None:
    found = rival(judged, CHAMPION)
    test = dataset.test
    scored = with_scores(test.rows, predict(champion.booster, test.matrix))
    assert found.metrics == evaluate(scored, 0.468, costs).as_dict()
    assert found.slices == by_slice(scored, 0.468, costs)
    assert (found.model_version, found.sha256, found.seen) == ("7", "ab" * 32, None)
    assert set(found.gain) == set(judged.intervals) - {"accuracy_never_fraud"}
    more = judged.metrics["average_precision"] - found.metrics["average_precision"]
    assert found.gain["average_precision"].low < more < found.gain["average_precision"].high


def test_calling_nothing_fraud_saves_nothing_and_ranks_nothing(judged: EvaluationRecord) -> None:
    found = rival(judged, NEVER_FRAUD)
    assert found.metrics["money_saved"] == found.metrics["alerts"] == found.metrics["recall"] == 0
    assert found.metrics["accuracy"] == judged.metrics["accuracy_never_fraud"]
    assert not set(found.metrics) & (PROBABILITIES | RANKINGS)
    assert found.gain["money_saved"] == judged.intervals["money_saved"]
    assert set(found.gain) <= set(found.metrics)


def test_the_amount_rule_ranks_by_amount_and_stops_above_its_limit(
    judged: EvaluationRecord, dataset: Dataset, record: TrainingRecord, costs: Costs
) -> None:
    found = rival(judged, AMOUNT_RULE)
    cents = dataset.test.rows["amount_cents"]
    by_amount = dataset.test.rows.with_columns(score=cents.rank("dense") / cents.n_unique())
    expected = evaluate(by_amount, 1, costs).as_dict()
    assert {name: found.metrics[name] for name in RANKINGS} == pytest.approx(
        {name: expected[name] for name in RANKINGS}
    )
    assert record.amount_rule is not None
    over = by_amount.with_columns(
        score=(pl.col("amount_cents") > record.amount_rule.value * 1e8).cast(pl.Float64)
    )
    assert found.metrics["money_saved"] == decide(over, 0.5, costs).money_saved / 100
    assert not set(found.metrics) & PROBABILITIES


def test_a_live_model_that_cannot_be_scored_is_named_and_the_rest_stays(
    judged: EvaluationRecord, dataset: Dataset, trained: Trained, record: TrainingRecord
) -> None:
    entered = enter(dataset.test, record, trained.booster, Incomparable("it takes another world"))
    found = judge(entered, record, version="8", sha256=SHA, samples=60)
    assert found.incomparable == "it takes another world"
    assert [one.name for one in found.rivals] == [AMOUNT_RULE, NEVER_FRAUD]
    # The draws are the same, whoever else is judged on them.
    assert found.intervals == judged.intervals
    assert features_of(record, Incomparable("")) == features_of(record, None) == record.features


def test_a_live_model_that_breaks_on_the_rows_is_named_too(
    dataset: Dataset,
    trained: Trained,
    record: TrainingRecord,
    champion: Champion,
    amounts: xgb.Booster,
) -> None:
    broken = Champion(manifest=champion.manifest, booster=amounts)
    entered = enter(dataset.test, record, trained.booster, broken)
    assert entered.champion is None
    assert "gives no probabilities here" in str(entered.incomparable)


def test_a_record_of_before_there_was_a_rule_has_no_rule(
    dataset: Dataset, trained: Trained, costs: Costs
) -> None:
    model = Entrant(rows=trained.score(dataset.test), threshold=0.5)
    found = compare(model, costs, champion=None, amount_rule=None, samples=50, seed=0)
    assert [one.name for one in found.rivals] == [NEVER_FRAUD]


def test_the_record_reads_back_and_the_same_judgement_has_the_same_bytes(
    judged: EvaluationRecord,
    dataset: Dataset,
    trained: Trained,
    record: TrainingRecord,
    champion: Champion,
) -> None:
    entered = enter(dataset.test, record, trained.booster, champion)
    again = judge(entered, record, version="8", sha256=SHA, samples=60)
    raw = msgspec.json.encode(judged)
    assert msgspec.json.encode(again) == raw
    assert msgspec.json.decode(raw, type=EvaluationRecord) == judged


def test_the_columns_that_both_need_come_once(record: TrainingRecord, champion: Champion) -> None:
    manifest = msgspec.structs.replace(champion.manifest, features=["amount", "amount_ever"])
    other = Champion(manifest=manifest, booster=champion.booster)
    assert features_of(record, other) == [*record.features, "amount_ever"]
