"""How far a day's shares are from training's, and how far chance alone would take them.

PSI and KL are taken over the bins with the missing values as one more, with half a row a bin added
so that an empty one has a logarithm. Under no drift PSI is about (1/n + 1/m) times a
chi-square of bins - 1 degrees (Yurdakul and Naranjo, Statistical properties of the population
stability index, 2020), KL about half of that.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import chdtri, ndtri

from fraud_platform.modelling.reference import Histogram

MEASURES = ("psi", "kl", "ks", "missing", "outside")
MARGIN = 0.1
"""Of many values, one that is so much of the extreme beyond it is outside: a rate or a count creeps
past what it was at its busiest without having changed its ways."""


class Binned(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of rows by bin, the missing ones last (bins + 1,), and of those `outside` of what
    training saw; `rows` is how many independent rows they are worth. `effects` are the design
    effects of `missing` and `outside` beyond that: a single merchant may make up all of either."""

    shares: list[float]
    outside: float
    rows: float
    effects: dict[str, float] = {}

    def worth(self, effect: float) -> "Binned":
        """The same of rows with this `design_effect`."""
        return msgspec.structs.replace(self, rows=self.rows / effect)


def of_reference(reference: Histogram) -> Binned:
    """Training's own shares, none of them outside."""
    return Binned(shares=[*reference.shares, reference.missing], outside=0.0, rows=reference.rows)


def bins_of(values: np.ndarray, reference: Histogram) -> np.ndarray:
    """The reference's bin of each of `values` (rows,); the last one is of those missing (NaN)."""
    edges = np.asarray(reference.edges, dtype=np.float64)
    # As `histogram` compares: numpy would round an edge to float32 for float32 values.
    found = np.searchsorted(edges, values.astype(np.float64), side="left")
    return np.where(np.isnan(values), len(reference.shares), found)


def outside_of(values: np.ndarray, reference: Histogram) -> np.ndarray:
    """Which of `values` training never saw; none where the reference doesn't keep what it saw.

    Of few values each other one is outside, of many those beyond the extremes by more than MARGIN
    of the extreme, so any beyond 0. Values are compared as float32, which is what a model sees.
    """
    narrow = values.astype(np.float32)
    if reference.values is not None:
        return ~np.isin(narrow, np.array(reference.values, np.float32)) & ~np.isnan(values)
    if reference.least is None or reference.greatest is None:
        return np.zeros(values.size, dtype=bool)
    least, greatest = reference.least, reference.greatest
    lowest, highest = least - MARGIN * abs(least), greatest + MARGIN * abs(greatest)
    return (narrow < np.float32(lowest)) | (narrow > np.float32(highest))


def binned(values: np.ndarray, reference: Histogram) -> Binned:
    """The shares of `values` (rows,; at least one) in the reference's bins."""
    counts = np.bincount(bins_of(values, reference), minlength=len(reference.shares) + 1)
    return Binned(
        shares=(counts / values.size).tolist(),
        outside=float(outside_of(values, reference).mean()),
        rows=values.size,
    )


def pooled(days: Sequence[Binned]) -> Binned:
    """Several days as one, each row weighed alike."""
    rows = np.array([day.rows for day in days])
    return Binned(
        shares=np.average([day.shares for day in days], axis=0, weights=rows).tolist(),
        outside=float(np.average([day.outside for day in days], weights=rows)),
        rows=float(rows.sum()),
    )


def psi(day: np.ndarray, other: np.ndarray) -> float:
    """Population stability index of two arrays of shares (bins,), none of them 0."""
    return float(np.sum((day - other) * np.log(day / other)))


def kl(day: np.ndarray, other: np.ndarray) -> float:
    """Kullback-Leibler divergence of `day` from `other`, in nats; none of their shares is 0."""
    return float(np.sum(day * np.log(day / other)))


def ks(day: np.ndarray, other: np.ndarray) -> float:
    """Largest distance between the cumulated shares (bins,): the Kolmogorov-Smirnov statistic as
    far as bins show it. 0 where either has no rows."""
    if not (day.sum() and other.sum()):
        return 0.0
    return float(np.max(np.abs(np.cumsum(day) / day.sum() - np.cumsum(other) / other.sum())))


def distances(day: Binned, other: Binned) -> dict[str, float]:
    """Every measure of a day against training or against other days, by its name."""
    q, p = _smoothed(day, other)
    return {
        "psi": psi(q, p),
        "kl": kl(q, p),
        "ks": ks(np.array(day.shares[:-1]), np.array(other.shares[:-1])),
        "missing": abs(day.shares[-1] - other.shares[-1]),
        "outside": max(0.0, day.outside - other.outside),
    }


def noise(day: Binned, other: Binned, chance: float) -> dict[str, float]:
    """What each measure exceeds with about `chance` or less where nothing moved."""
    both = 1 / day.rows + 1 / other.rows
    used = sum(1 for a, b in zip(day.shares, other.shares, strict=True) if a or b)
    spread = float(chdtri(max(1, used - 1), chance)) * both
    deviations = float(-ndtri(chance / 2))

    def share(name: str, one: float, two: float) -> float:
        effect = day.effects.get(name, 1.0)
        # A cluster has as many more rows there as there are more rows, and is no more independent.
        rows, others = day.rows / effect, other.rows / (1 + (effect - 1) * other.rows / day.rows)
        middle = (one * rows + two * others + 0.5) / (rows + others + 1)
        return deviations * math.sqrt(middle * (1 - middle) * (1 / rows + 1 / others))

    known = sum(1 / max(0.5, one.rows * sum(one.shares[:-1])) for one in (day, other))

    return {
        "psi": spread,
        "kl": spread / 2,
        "ks": math.sqrt(math.log(2 / chance) / 2 * known),  # two samples' asymptote
        "missing": share("missing", day.shares[-1], other.shares[-1]),
        "outside": share("outside", day.outside, other.outside),
    }


def design_effect(bins: np.ndarray, clusters: np.ndarray, count: int) -> float:
    """How many times the variance of shares is that of as many independent rows; at least 1.

    A user's rows are alike, so a day of few users says less than its rows. `bins` (rows,) below
    `count` and `clusters` (rows,) are codes from 0 on. First-order correction of Rao and Scott, The
    analysis of categorical data from complex sample surveys, JASA 1981. From one cluster (a shop
    that is its only merchant) or one bin it can't be told, and is taken as 1.
    """
    rows, groups = bins.size, int(clusters.max()) + 1
    if groups < 2:
        return 1.0
    table = np.bincount(clusters * count + bins, minlength=groups * count).reshape(groups, count)
    shares = table.sum(axis=0) / rows
    table, shares = table[:, shares > 0], shares[shares > 0]
    if shares.size < 2:
        return 1.0
    apart = table - np.outer(table.sum(axis=1), shares)
    variance = (apart**2).sum(axis=0) / rows**2 * groups / (groups - 1)
    return max(1.0, float(np.sum(variance / shares) / (shares.size - 1) * rows))


def _smoothed(one: Binned, two: Binned) -> tuple[np.ndarray, np.ndarray]:
    """The shares of the bins that either uses, none of them 0: half a row a bin is added to each,
    spread over the bins as both together are."""
    first, second = np.array(one.shares), np.array(two.shares)
    used = (first > 0) | (second > 0)
    first, second = first[used], second[used]
    middle = (first * one.rows + second * two.rows) / (one.rows + two.rows)
    more = first.size / 2
    return (
        (first * one.rows + middle * more) / (one.rows + more),
        (second * two.rows + middle * more) / (two.rows + more),
    )
