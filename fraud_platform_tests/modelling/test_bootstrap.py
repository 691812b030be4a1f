import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraud_platform.modelling.bootstrap import Entrant, draws, gains, interval, resample
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.record import Interval
from fraud_platform.modelling.scored import EvaluationError
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Costs(missed_fraud_fee=2500, false_alarm=500, review=100)
THRESHOLD = 0.5


def drawn_rows(rows: pl.DataFrame, times: np.ndarray) -> pl.DataFrame:
    """Each user's rows as often as the user was drawn, each time as another card."""
    users = rows["user_id"].unique().sort()
    wanted = rows.join(pl.DataFrame({"user_id": users, "times": times}), on="user_id")
    copies = [
        # "#" comes before digits: copies of u1 stay before u10, as u1 does.
        wanted.filter(pl.col("times") > copy).with_columns(user_id=pl.col("user_id") + f"#{copy}")
        for copy in range(int(times.max()))
    ]
    return pl.concat(copies)


def slowly(rows: pl.DataFrame, *, samples: int, seed: int) -> list[dict[str, float]]:
    """The metrics of each draw as `evaluate` finds them; none of a draw of one class."""
    users = rows["user_id"].n_unique()
    found = []
    for times in draws(users, samples=samples, seed=seed):
        drawn = drawn_rows(rows, times)
        both = 0 < drawn["is_fraud"].sum() < drawn.height
        found.append(evaluate(drawn, THRESHOLD, COSTS).as_dict() if both else {})
    return found


ROW = st.tuples(
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.95, 1.0]) | st.floats(0, 1),
    st.booleans(),
    st.integers(1, 100_000_000),
    st.sampled_from(["u1", "u10", "u2", "u3"]),
    st.integers(0, 2),
)


@given(drawn=st.lists(ROW, min_size=1, max_size=30), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_each_draw_has_the_metrics_of_its_rows_repeated(
    drawn: list[tuple[float, bool, int, str, int]], seed: int
) -> None:
    scores, is_fraud, cents, users, days = zip(*drawn, strict=True)
    assume(len(set(is_fraud)) == 2)
    rows = scored_rows(scores, is_fraud, amount_cents=cents, users=users, days=days)
    found = resample({"m": Entrant(rows=rows, threshold=THRESHOLD)}, COSTS, samples=4, seed=seed)
    for i, expected in enumerate(slowly(rows, samples=4, seed=seed)):
        for name, values in found["m"].items():
            assert values[i] == pytest.approx(expected.get(name, np.nan), nan_ok=True), name


def many_users(days: int, users: int) -> pl.DataFrame:
    random = np.random.default_rng(1)
    count = 3 * days * users
    is_fraud = random.random(count) < 0.1
    return scored_rows(
        np.round(np.clip(random.normal(0.4 + 0.2 * is_fraud, 0.2), 0, 1), 2).tolist(),
        is_fraud.tolist(),
        amount_cents=random.integers(1, 100_000, count).tolist(),
        users=[f"u{i}" for i in random.integers(0, users, count)],
        days=random.integers(0, days, count).tolist(),
    )


def test_more_users_than_can_be_looked_at_in_a_day_make_no_difference() -> None:
    rows = many_users(days=2, users=1_500)
    found = resample({"m": Entrant(rows=rows, threshold=THRESHOLD)}, COSTS, samples=3, seed=7)
    for i, expected in enumerate(slowly(rows, samples=3, seed=7)):
        for name, values in found["m"].items():
            assert values[i] == pytest.approx(expected[name]), name


def test_the_interval_lies_around_the_figure_and_is_the_same_in_any_order_of_rows() -> None:
    rows = many_users(days=2, users=300)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    first, again = (
        resample({"m": Entrant(rows=of, threshold=THRESHOLD)}, COSTS, samples=100, seed=0)["m"]
        for of in (rows, shuffled)
    )
    figures = evaluate(rows, THRESHOLD, COSTS).as_dict()
    for name, values in first.items():
        found = interval(values)
        assert found is not None
        assert found.low < found.high
        # The error of a calibration only grows where rows are drawn twice.
        if name != "expected_calibration_error":
            assert found.low < figures[name] < found.high, name
        assert values == pytest.approx(again[name]), name


def test_payments_of_one_card_are_no_independent_news() -> None:
    rows = many_users(days=1, users=60)
    thrice = pl.concat([rows] * 3)
    once, often = (
        resample({"m": Entrant(rows=of, threshold=THRESHOLD)}, COSTS, samples=50, seed=0)["m"]
        for of in (rows, thrice)
    )
    # A bootstrap over rows would call the same payments, seen three times, more certain.
    for name in ("recall", "precision", "auc_roc", "average_precision", "card_precision_100"):
        assert often[name] == pytest.approx(once[name]), name


def test_a_model_gains_nothing_on_itself_and_its_rivals_get_the_same_draws() -> None:
    rows = many_users(days=2, users=200)
    better = rows.with_columns(score=0.9 * pl.col("score") + 0.1 * pl.col("is_fraud"))
    found = resample(
        {
            "model": Entrant(rows=better, threshold=THRESHOLD),
            "same": Entrant(rows=better, threshold=THRESHOLD),
            "rival": Entrant(rows=rows, threshold=THRESHOLD),
            "never": Entrant(rows=rows, threshold=1.0, ranks=False),
        },
        COSTS,
        samples=60,
        seed=0,
    )
    assert set(gains(found["model"], found["same"], list(found["same"])).values()) == {
        Interval(low=0, high=0)
    }
    gain = gains(found["model"], found["rival"], ["average_precision"])["average_precision"]
    assert gain.low > 0
    alone = [interval(found[name]["average_precision"]) for name in ("model", "rival")]
    assert all(alone)
    widths = [one.high - one.low for one in alone if one]
    assert gain.high - gain.low < min(widths)
    assert (found["never"]["money_saved"] == 0).all()
    assert (found["never"]["accuracy"] == found["model"]["accuracy_never_fraud"]).all()
    assert "average_precision" not in found["never"]


def test_rows_of_one_class_are_refused() -> None:
    rows = scored_rows([0.9, 0.2], [False, False])
    with pytest.raises(EvaluationError, match="0 of 2 rows are fraud"):
        resample({"m": Entrant(rows=rows, threshold=THRESHOLD)}, COSTS, samples=2, seed=0)


def test_draws_without_a_fraud_are_left_out() -> None:
    rows = scored_rows([0.9, 0.2, 0.4, 0.1], [True, False, False, False])
    found = resample({"m": Entrant(rows=rows, threshold=THRESHOLD)}, COSTS, samples=80, seed=0)
    missing = np.isnan(found["m"]["recall"])
    assert 0 < missing.sum() < 80
    assert interval(found["m"]["recall"]) == Interval(low=1, high=1)
    assert interval(np.array([np.nan, np.nan])) is None
    assert gains(found["m"], {"recall": np.full(80, np.nan)}, ["recall"]) == {}


def test_rows_that_weigh_more_count_more_in_each_draw_and_ones_change_no_bit() -> None:
    rows = many_users(days=2, users=150)
    weight = np.random.default_rng(9).choice([1.0, 1.0, 12.5], rows.height)
    weighed = rows.with_columns(weight=pl.Series(weight))
    alike = rows.with_columns(weight=1.0)

    def found(of: pl.DataFrame) -> dict[str, np.ndarray]:
        return resample({"m": Entrant(rows=of, threshold=THRESHOLD)}, COSTS, samples=6, seed=3)["m"]

    drawn = found(weighed)
    for i, expected in enumerate(slowly(weighed, samples=6, seed=3)):
        for name, values in drawn.items():
            assert values[i] == pytest.approx(expected[name]), name
    plain, ones = found(rows), found(alike)
    for name, values in plain.items():
        np.testing.assert_array_equal(ones[name], values)
