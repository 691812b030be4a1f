import msgspec
import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.predict import predict
from fraud_platform.modelling.reference import (
    Histogram,
    build_reference,
    histogram,
    quantile_edges,
    read_reference,
)

VALUES = arrays.arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.one_of(st.sampled_from([0.0, 1.0, float("nan")]), st.floats(-1e6, 1e6, width=32)),
)


@given(values=VALUES)
def test_every_value_falls_in_one_bin_and_the_shares_make_one(values: np.ndarray) -> None:
    edges = quantile_edges(values)
    found = histogram(values, edges)
    assert edges == sorted(set(edges))
    assert len(found.shares) == len(edges) + 1
    assert sum(found.shares) + found.missing == pytest.approx(1)
    assert found.missing == pytest.approx(np.isnan(values).mean())
    # numpy would round an edge to float32 to compare it with float32 values.
    wide = values.astype(np.float64)
    for i, share in enumerate(found.shares):
        low = edges[i - 1] if i > 0 else -np.inf
        high = edges[i] if i < len(edges) else np.inf
        assert share == pytest.approx(((wide > low) & (wide <= high)).mean())


@given(values=VALUES)
def test_no_edge_is_a_value_unless_all_values_are_the_same(values: np.ndarray) -> None:
    found = np.unique(values[~np.isnan(values)].astype(np.float64))
    edges = quantile_edges(values)
    if found.size > 1:
        gaps = np.diff(found)
        # Neighbouring doubles have no middle; float32 values always do.
        assert (gaps > 0).all()
        assert not set(edges) & set(found.tolist())


def test_continuous_values_are_cut_into_tenths() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    found = histogram(values, quantile_edges(values))
    assert found.shares == pytest.approx([0.1] * 10, abs=1e-3)


@pytest.mark.parametrize("share", [0.02, 0.98])
def test_both_sides_of_a_flag_stay_apart_however_rare_one_is(share: float) -> None:
    flag = (np.arange(1000) < share * 1000).astype(np.float32)
    found = histogram(flag, quantile_edges(flag))
    assert found.edges == [0.5]
    assert found.shares == pytest.approx([1 - share, share])


def test_a_frequent_value_among_others_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.linspace(1, 2, 500), np.full(500, 1.5), [np.nan] * 10])
    found = histogram(values, quantile_edges(values))
    heavy = [share for share in found.shares if share >= 500 / 1010]
    assert heavy == [pytest.approx(500 / 1010)]


def test_live_values_outside_the_training_range_fall_in_the_outer_bins() -> None:
    edges = quantile_edges(np.arange(100.0))
    live = histogram(np.array([-1e9, 1e9, np.inf, -np.inf]), edges)
    assert (live.shares[0], live.shares[-1]) == (0.5, 0.5)


def test_a_constant_and_an_absent_feature_have_a_histogram_too() -> None:
    constant = histogram(np.full(5, 3.0), quantile_edges(np.full(5, 3.0)))
    assert (constant.edges, constant.shares) == ([3.0], [1.0, 0.0])
    absent = histogram(np.full(5, np.nan), quantile_edges(np.full(5, np.nan)))
    assert (absent.edges, absent.shares, absent.missing) == ([], [0.0], 1.0)


def test_a_histogram_keeps_its_extremes_and_each_of_few_values() -> None:
    flag = histogram(np.array([1.0, 0.0, np.nan, 1.0]), [0.5])
    assert (flag.least, flag.greatest, flag.values) == (0.0, 1.0, [0.0, 1.0])
    many = histogram(np.arange(100.0), [50.5])
    assert (many.least, many.greatest, many.values) == (0.0, 99.0, None)
    none = histogram(np.full(3, np.nan), [])
    assert (none.least, none.greatest, none.values) == (None, None, None)


def test_a_histogram_of_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        histogram(np.empty(0), [0.5])


def test_the_reference_covers_each_feature_and_the_score_and_survives_json(
    dataset: Dataset, booster: xgb.Booster
) -> None:
    matrix = dataset.fit.matrix
    made = build_reference(matrix, predict(booster, matrix))
    assert list(made) == [*FEATURE_NAMES, "score"]
    assert msgspec.json.decode(msgspec.json.encode(made)) == made
    read = read_reference(made)
    assert all(
        isinstance(found, Histogram) and found.rows == len(matrix) for found in read.values()
    )
    for i, name in enumerate(FEATURE_NAMES):
        assert histogram(matrix[:, i], read[name].edges) == read[name]
