import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fraud_platform.modelling.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
)

MARGINS = arrays.arrays(np.float64, st.integers(1, 50), elements=st.floats(-88, 88, width=32))


def logistic(margin: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-margin))


@given(margins=MARGINS, a=st.floats(0, 5), b=st.floats(0, 5), c=st.floats(-9, 9))
def test_order_stays_and_one_row_has_the_bits_of_the_batch(
    margins: np.ndarray, a: float, b: float, c: float
) -> None:
    made = Calibration(a=a, b=b, c=c)
    found = made.probability(np.sort(margins))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    single = np.array([made.probability(margins[i : i + 1])[0] for i in range(margins.size)])
    assert single.tobytes() == made.probability(margins).tobytes()


@pytest.mark.parametrize(("slope", "shift"), [(1.0, -4.0), (0.5, -3.0), (2.0, 1.0)])
def test_a_distorted_score_is_brought_back_to_what_it_says(slope: float, shift: float) -> None:
    random = np.random.default_rng(3)
    margin = random.normal(-1, 2, 60_000)
    is_fraud = random.random(margin.size) < logistic(slope * margin + shift)
    made = fit_calibration(margin, is_fraud)
    # A straight line in the log-odds is the case a = b.
    assert (made.a, made.b, made.c) == pytest.approx((slope, slope, shift), abs=0.35)
    fresh = random.normal(-1, 2, 60_000)
    happened = random.random(fresh.size) < logistic(slope * fresh + shift)
    raw = expected_calibration_error(logistic(fresh), happened)
    assert expected_calibration_error(made.probability(fresh), happened) < min(0.01, raw / 5)


def test_a_score_that_says_nothing_becomes_the_share_of_frauds() -> None:
    random = np.random.default_rng(4)
    margin = random.normal(size=20_000)
    is_fraud = random.random(margin.size) < 0.03
    found = fit_calibration(margin, is_fraud).probability(margin)
    assert found.mean() == pytest.approx(is_fraud.mean(), abs=1e-4)
    assert found.std() < 0.01


def test_a_score_that_ranks_the_wrong_way_is_not_turned_round() -> None:
    random = np.random.default_rng(5)
    margin = random.normal(size=20_000)
    is_fraud = random.random(margin.size) < logistic(-margin - 3)
    made = fit_calibration(margin, is_fraud)
    assert made.a >= 0
    assert made.b >= 0


def test_a_weight_counts_a_row_so_many_times() -> None:
    random = np.random.default_rng(6)
    score, weight = random.random(500), random.integers(1, 9, 500)
    is_fraud = random.random(500) < score**2
    found = expected_calibration_error(score, is_fraud, weight)
    repeated = expected_calibration_error(np.repeat(score, weight), np.repeat(is_fraud, weight))
    assert found == pytest.approx(repeated, rel=1e-12)
    assert found != pytest.approx(expected_calibration_error(score, is_fraud), rel=1e-3)


def test_a_calibration_on_weighed_rows_is_that_of_the_rows_repeated() -> None:
    random = np.random.default_rng(8)
    margin, weight = random.normal(size=800), random.integers(1, 7, 800)
    is_fraud = random.random(800) < 1 / (1 + np.exp(1 - margin))

    found = fit_calibration(margin, is_fraud, weight.astype(np.float64))

    repeated = fit_calibration(np.repeat(margin, weight), np.repeat(is_fraud, weight))
    for name in ("a", "b", "c"):
        assert getattr(found, name) == pytest.approx(getattr(repeated, name), rel=1e-4)
    assert fit_calibration(margin, is_fraud, np.ones(800)) == fit_calibration(margin, is_fraud)
