"""Measures against hand-computed values, and against scipy where it has them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fraud_platform.modelling.reference import Histogram, histogram, quantile_edges
from fraud_platform.monitoring.distance import (
    Binned,
    binned,
    design_effect,
    distances,
    kl,
    ks,
    noise,
    of_reference,
    outside_of,
    pooled,
    psi,
)

SHARES = st.lists(st.floats(0.001, 1), min_size=2, max_size=12)


def to_shares(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights)


def reference(values: np.ndarray) -> Histogram:
    return histogram(values, quantile_edges(values))


def test_the_measures_by_hand() -> None:
    day, other = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert kl(day, other) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert psi(day, other) == pytest.approx(0.25 * math.log(2) - 0.25 * math.log(2 / 3))
    assert ks(day, other) == pytest.approx(0.25)


@given(one=SHARES, two=SHARES)
def test_the_measures_are_what_scipy_says(one: list[float], two: list[float]) -> None:
    size = min(len(one), len(two))
    day, other = to_shares(one[:size]), to_shares(two[:size])
    assert kl(day, other) == pytest.approx(stats.entropy(day, other), abs=1e-12)
    both = stats.entropy(day, other) + stats.entropy(other, day)
    assert psi(day, other) == pytest.approx(both, abs=1e-12)
    assert psi(day, day) == kl(day, day) == ks(day, day) == 0
    assert kl(day, other) <= psi(day, other) + 1e-12


@given(
    day=st.lists(st.integers(0, 5), min_size=5, max_size=60),
    other=st.lists(st.integers(0, 5), min_size=5, max_size=60),
)
def test_where_each_value_has_its_bin_ks_is_the_statistic_itself(
    day: list[int], other: list[int]
) -> None:
    made = histogram(np.array(other, float), [0.5, 1.5, 2.5, 3.5, 4.5])
    found = distances(binned(np.array(day, float), made), of_reference(made))
    assert found["ks"] == pytest.approx(stats.ks_2samp(day, other, method="asymp")[0])


def test_the_missing_are_a_share_of_their_own_and_no_part_of_ks() -> None:
    made = reference(np.arange(10.0))
    day = binned(np.array([*range(10), *[np.nan] * 10], float), made)
    found = distances(day, of_reference(made))
    assert found["missing"] == pytest.approx(0.5)
    assert found["ks"] == pytest.approx(0)
    assert found["psi"] > 0.5


def test_what_training_never_saw() -> None:
    hours = reference(np.repeat([0.0, 1.0, 5.0], 10))
    assert outside_of(np.array([0, 1, 3, 5, 9, np.nan]), hours).tolist() == [
        False,
        False,
        True,
        False,
        True,
        False,
    ]
    amounts = reference(np.linspace(1, 100, 500))
    assert amounts.values is None
    assert outside_of(np.array([0.89, 0.91, 55.5, 109, 111, np.nan]), amounts).tolist() == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    # A code for what is missing is seen for what it is, whatever the margin.
    since = reference(np.linspace(0, 90_000, 500))
    assert outside_of(np.array([-1.0, 0.0]), since).tolist() == [True, False]
    # 0.1 as a model sees it is what training saw as 0.1.
    assert not outside_of(np.array([0.1]), reference(np.array([0.1, 0.2], np.float32))).any()


def test_a_reference_of_a_former_version_knows_of_no_values_outside() -> None:
    former = Histogram(edges=[1.0], shares=[0.5, 0.5], missing=0.0, rows=10)
    assert not outside_of(np.array([-1e9, 1e9]), former).any()


def test_chance_goes_beyond_its_bound_about_as_often_as_said() -> None:
    random = np.random.default_rng(0)
    made = reference(random.normal(size=20_000))
    trained = of_reference(made)
    over = dict.fromkeys(("psi", "kl", "ks", "missing", "outside"), 0)
    for _ in range(1_000):
        day = binned(random.normal(size=400), made)
        found, bound = distances(day, trained), noise(day, trained, 0.05)
        for name in over:
            over[name] += found[name] > bound[name]
    assert 25 <= over["psi"] <= 80
    assert 25 <= over["kl"] <= 80
    assert over["ks"] <= 60  # the bins see less than the whole curve
    assert over["missing"] == 0
    assert over["outside"] <= 50


@pytest.mark.parametrize("copies", [1, 2, 10])
def test_rows_that_come_in_copies_count_once(copies: int) -> None:
    random = np.random.default_rng(1)
    bins = np.repeat(random.integers(0, 8, 4_000), copies)
    users = np.repeat(np.arange(4_000), copies)
    assert design_effect(bins, users, 8) == pytest.approx(copies, rel=0.05)
    assert design_effect(bins, random.permutation(users), 8) == pytest.approx(1, abs=0.1)


def test_of_one_cluster_or_one_value_the_effect_cannot_be_told() -> None:
    assert design_effect(np.arange(6) % 3, np.zeros(6, int), 3) == 1
    assert design_effect(np.ones(6, int), np.arange(6), 3) == 1


def test_days_are_pooled_row_by_row() -> None:
    one = Binned(shares=[1.0, 0.0], outside=0.0, rows=30)
    two = Binned(shares=[0.0, 1.0], outside=0.5, rows=10)
    found = pooled([one, two])
    assert (found.shares, found.outside, found.rows) == ([0.75, 0.25], 0.125, 40)
