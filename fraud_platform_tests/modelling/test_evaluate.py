import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from fraud_platform.modelling.calibration import expected_calibration_error, reliability
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.scored import EvaluationError, arrays, with_scores
from fraud_platform.modelling.slices import by_slice
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Costs(missed_fraud_fee=2500, false_alarm=500)


def test_metrics_of_a_few_rows_are_those_worked_out_by_hand() -> None:
    rows = scored_rows(
        [0.9, 0.8, 0.6, 0.4, 0.3, 0.1],
        [True, False, True, True, False, False],
        amount_cents=[10_000, 500, 20_000, 30_000, 700, 900],
        days=[0, 0, 0, 1, 1, 1],
    )
    found = evaluate(rows, 0.5, COSTS)
    assert (found.rows, found.frauds, found.alerts, found.days) == (6, 3, 3, 2)
    assert found.precision == found.recall == found.f1 == pytest.approx(2 / 3)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.accuracy_never_fraud == 0.5
    assert found.auc_roc == pytest.approx(7 / 9)
    assert found.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found.card_precision_100 == pytest.approx((2 / 3 + 1 / 3) / 2)
    squares = [0.1**2, 0.8**2, 0.4**2, 0.6**2, 0.3**2, 0.1**2]
    assert found.brier == pytest.approx(sum(squares) / 6)
    assert found.money_saved == (10_000 + 2500) + (20_000 + 2500) - 500


@given(
    drawn=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40),
    threshold=st.floats(0, 1),
)
def test_decisions_are_counted_as_scikit_learn_counts_them(
    drawn: list[tuple[float, bool]], threshold: float
) -> None:
    scores, is_fraud = zip(*drawn, strict=True)
    alert = np.array(scores) > threshold
    found = decide(scored_rows(scores, is_fraud), threshold, COSTS)
    right, false_alarms, missed, caught = confusion_matrix(
        is_fraud, alert, labels=[False, True]
    ).ravel()
    assert (found.rows, found.frauds) == (len(drawn), missed + caught)
    assert (found.alerts, found.caught) == (caught + false_alarms, caught)
    assert found.accuracy == pytest.approx((right + caught) / len(drawn))
    assert found.precision == pytest.approx(caught / max(1, caught + false_alarms))
    assert found.recall == pytest.approx(caught / max(1, caught + missed))
    assert found.f1 == pytest.approx(2 * caught / max(1, 2 * caught + missed + false_alarms))


def test_a_score_at_the_threshold_is_no_alert_even_where_float32_would_round() -> None:
    score = float(np.float32(0.7))
    rows = scored_rows([score, 0.1], [True, False])
    assert evaluate(rows, score, COSTS).alerts == 0
    assert evaluate(rows, np.nextafter(score, 0), COSTS).alerts == 1
    single = rows.with_columns(pl.col("score").cast(pl.Float32))
    assert evaluate(single, np.nextafter(score, 0), COSTS).alerts == 1


def test_calling_nothing_fraud_has_its_own_accuracy_and_saves_nothing() -> None:
    found = evaluate(scored_rows([0.1, 0.2, 0.3, 0.4], [False, False, False, True]), 1.0, COSTS)
    assert found.accuracy == found.accuracy_never_fraud == 0.75
    assert (found.precision, found.recall, found.f1, found.money_saved) == (0, 0, 0, 0)


def test_false_alarms_alone_lose_money() -> None:
    found = evaluate(scored_rows([0.9, 0.8, 0.1], [False, False, True]), 0.5, COSTS)
    assert found.money_saved == -1000


def test_the_dictionary_holds_floats_and_money_in_currency_units(
    scored: pl.DataFrame, costs: Costs
) -> None:
    found = evaluate(scored, 0.5, costs)
    figures = found.as_dict()
    assert set(figures) == set(found.__struct_fields__)
    assert all(type(value) is float and math.isfinite(value) for value in figures.values())
    assert figures["money_saved"] == found.money_saved / 100
    assert figures["rows"] == scored.height


def test_a_perfectly_calibrated_score_has_no_calibration_error() -> None:
    score = np.repeat([0.25, 0.75], 4)
    is_fraud = np.array([True, False, False, False, True, True, True, False])
    assert expected_calibration_error(score, is_fraud) == pytest.approx(0)
    assert expected_calibration_error(1 - score, is_fraud) == pytest.approx(0.5)


def test_reliability_bins_hold_every_row_and_empty_ones_no_mean() -> None:
    mean_score, share, count = reliability(
        np.array([0.0, 0.05, 0.95, 1.0]), np.array([False, False, True, False])
    )
    assert count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (mean_score[0], mean_score[9]) == (pytest.approx(0.025), pytest.approx(0.975))
    assert (share[0], share[9]) == (0, 0.5)
    assert np.isnan(mean_score[1:9]).all()


@pytest.mark.parametrize(
    ("scores", "is_fraud", "message"),
    [
        ([0.1, float("nan")], [True, False], "1 of 2 scores are missing, NaN"),
        ([0.1, 1.1], [True, False], "1 of 2 scores are missing, NaN or outside 0 to 1"),
        ([0.1, 0.2], [True, None], "1 of 2 rows have no label"),
        ([0.1, 0.2], [False, False], "0 of 2 rows are fraud; a metric needs both classes"),
        ([0.1, 0.2], [True, True], "2 of 2 rows are fraud; a metric needs both classes"),
        ([], [], "0 of 0 rows are fraud"),
    ],
)
def test_rows_that_no_metric_can_be_taken_of_are_refused(
    scores: list[float], is_fraud: list[bool], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate(scored_rows(scores, is_fraud), 0.5, COSTS)


def test_rows_without_a_score_column_are_refused() -> None:
    rows = scored_rows([0.1, 0.2], [True, False]).drop("score", "user_id")
    with pytest.raises(EvaluationError, match="lack the columns user_id, score"):
        evaluate(rows, 0.5, COSTS)


def test_scores_are_attached_row_by_row() -> None:
    rows = scored_rows([0.1, 0.2], [True, False]).drop("score")
    score, _, _ = arrays(with_scores(rows, np.array([0.7, 0.3])))
    assert score.tolist() == [0.7, 0.3]
    with pytest.raises(pl.exceptions.ShapeError):
        with_scores(rows, np.array([0.7, 0.3, 0.1]))


def weighed(rows: pl.DataFrame, weights: np.ndarray) -> pl.DataFrame:
    return rows.with_columns(weight=pl.Series(weights, dtype=pl.Float64))


def some_rows(count: int = 400) -> tuple[pl.DataFrame, np.ndarray]:
    """Scored rows, and whole numbers as their weights."""
    random = np.random.default_rng(4)
    is_fraud = random.random(count) < 0.3
    score = np.round(np.clip(random.normal(0.4 + 0.2 * is_fraud, 0.2), 0, 1), 2)
    cents, days = random.integers(1, 90_000, count), random.integers(0, 3, count)
    rows = scored_rows(
        score.tolist(), is_fraud.tolist(), amount_cents=cents.tolist(), days=days.tolist()
    )
    return rows, random.integers(1, 9, count)


def test_a_weight_counts_a_row_so_many_times_and_its_user_so_many_cards() -> None:
    rows, times = some_rows()
    copies = [
        rows.filter(pl.Series(times > copy)).with_columns(user_id=pl.col("user_id") + f"#{copy}")
        for copy in range(int(times.max()))
    ]
    repeated = pl.concat(copies)

    found, expected = (
        evaluate(weighed(rows, times), 0.5, COSTS),
        evaluate(repeated, 0.5, COSTS),
    )

    plain = decide(rows, 0.5, COSTS)
    assert (found.rows, found.frauds, found.alerts) == (plain.rows, plain.frauds, plain.alerts)
    for name in set(found.__struct_fields__) - {"rows", "frauds", "alerts"}:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    for threshold in (0.0, 0.37, 1.0):
        one, other = (decide(of, threshold, COSTS) for of in (weighed(rows, times), repeated))
        assert one.weighed == other.weighed
        assert (one.stopped, one.prevalence) == (other.stopped, other.prevalence)


def test_where_all_rows_weigh_one_every_figure_has_the_bits_that_it_has_without_weights() -> None:
    rows, _ = some_rows()
    alike = weighed(rows, np.ones(rows.height))

    assert evaluate(alike, 0.5, COSTS) == evaluate(rows, 0.5, COSTS)
    assert by_slice(alike, 0.5, COSTS) == by_slice(rows, 0.5, COSTS)
