"""Weighted draws of row numbers."""

import numpy as np

from fraud_platform.simulator.arrays import Floats, Ints


def cumulative(weights: Floats) -> Floats:
    """Cumulative shares of non-negative weights; the last is exactly 1."""
    shares = np.cumsum(weights)
    shares /= shares[-1]
    shares[-1] = 1.0  # so that no draw in [0, 1) falls beyond the last row
    return shares


def pick(rng: np.random.Generator, shares: Floats, size: int) -> Ints:
    """`size` row numbers, each with the probability of its step in the cumulative shares."""
    return np.searchsorted(shares, rng.random(size), side="right")
