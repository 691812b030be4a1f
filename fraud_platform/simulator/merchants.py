"""The merchants: category, popularity and price level."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from fraud_platform.simulator.arrays import Floats, Ints
from fraud_platform.simulator.draws import cumulative, pick


@dataclass(frozen=True)
class Category:
    """A line of business.

    `level` is its mean amount beside the other categories, `share` its share of the merchants,
    `resale` how much thieves favour it (goods that sell on), `testing` how much card testers do
    (cheap, instant, no delivery).
    """

    name: str
    level: float
    share: float
    resale: float
    testing: float


CATEGORIES = (
    Category("groceries", 0.8, 0.20, resale=0.4, testing=0.3),
    Category("restaurants", 0.6, 0.20, resale=0.3, testing=0.3),
    Category("transport", 0.5, 0.10, resale=0.3, testing=0.8),
    Category("pharmacy", 0.6, 0.10, resale=0.4, testing=0.3),
    Category("fashion", 1.2, 0.14, resale=1.2, testing=0.4),
    Category("electronics", 2.0, 0.10, resale=2.0, testing=0.3),
    Category("travel", 2.4, 0.06, resale=1.0, testing=0.3),
    Category("digital", 0.4, 0.10, resale=1.0, testing=2.0),
)

# Zipf's law with an exponent under 1: at 1 the first of 400 merchants would be the first choice of
# every seventh payment.
POPULARITY_EXPONENT = 0.85
LEVEL_SPREAD = 0.3  # standard deviation of ln(level) within a category


@dataclass(frozen=True)
class Merchants:
    """All merchants, one row each.

    `level` multiplies a user's amounts. `popular`, `resale` and `testing` are cumulative shares to
    pick merchants by.
    """

    ids: pl.Series
    category: Ints
    level: Floats
    popularity: Floats
    popular: Floats
    resale: Floats
    testing: Floats


def draw_merchants(rng: np.random.Generator, count: int) -> Merchants:
    """`count` merchants; the row number says nothing about the popularity."""
    category = pick(rng, cumulative(np.array([c.share for c in CATEGORIES])), count)
    rank = rng.permutation(count) + 1
    popularity = rank.astype(np.float64) ** -POPULARITY_EXPONENT
    spread = np.exp(LEVEL_SPREAD * rng.standard_normal(count))
    return Merchants(
        ids=pl.Series([f"m{i:05d}" for i in range(count)]),
        category=category,
        level=np.array([c.level for c in CATEGORIES])[category] * spread,
        popularity=popularity / popularity.sum(),
        popular=cumulative(popularity),
        resale=cumulative(np.array([c.resale for c in CATEGORIES])[category]),
        testing=cumulative(np.array([c.testing for c in CATEGORIES])[category]),
    )
