"""What drifted, in words: "amount: twice as many above 400.00 (20 % of payments, 10 % in
training)"."""

import math
from collections.abc import Callable

import numpy as np

from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.in_words import phrase_of
from fraud_platform.features.phrases import Calendar, Choice, Count, number, share
from fraud_platform.modelling.reference import SCORE
from fraud_platform.monitoring.drift import Measured

_SHAPE = {"psi", "kl", "ks"}


def sentences(one: Measured) -> list[str]:
    """One sentence for each way in which a feature drifted; none where it didn't."""
    if not one.drifted:
        return []
    over = {name for name in one.over if name not in one.usual}
    said = []
    if "outside" in over:
        values = ", ".join(dict.fromkeys(number(value) for value in one.unseen))
        said.append(f"{share(one.outside)} have a value that training never saw, as {values}")
    if "missing" in over:
        said.append(_missing(one))
    if over & _SHAPE and not (said and _alike(one)):
        said.append(_shape(one, known="missing" in over))
    return [f"{one.name}: {text}" for text in said]


def times(day: float, trained: float) -> str:
    """How many more or fewer a share is than another: "twice as many", "30 % fewer"."""
    if not trained:
        return "newly seen"
    ratio = day / trained
    if 0.95 < ratio < 1.05:
        return "about as many"
    if 1.9 <= ratio <= 2.1:
        return "twice as many"
    if 0.48 <= ratio <= 0.52:
        return "half as many"
    if ratio > 1.5:
        return f"{number(ratio)} times as many"
    return f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'fewer'}".replace("%", " %")


def _alike(one: Measured) -> bool:
    """Whether the values that are there are as they were: all that moved is what is missing."""
    return one.distances["ks"] <= one.bound["ks"]


def _shape(one: Measured, *, known: bool) -> str:
    """Where the shares moved the most; with `known` of the values that are not missing."""
    day, trained = np.array(one.shares), np.array(one.trained)
    if known:
        day, trained = (np.append(x[:-1] / x[:-1].sum(), 0) for x in (day, trained))
    first, last = _most_moved(day, trained)
    if first == len(one.edges) + 1:
        return _missing(one)
    now, then = day[first : last + 1].sum(), trained[first : last + 1].sum()
    low = one.edges[first - 1] if first else None
    high = one.edges[last] if last < len(one.edges) else None
    of = "those known" if known else "payments"
    where = _range(one.name, low, high)
    return f"{times(now, then)} {where} ({share(now)} of {of}, {share(then)} in training)"


def _missing(one: Measured) -> str:
    day, trained = one.shares[-1], one.trained[-1]
    return f"missing in {share(day)} of payments, in {share(trained)} in training"


def _most_moved(day: np.ndarray, trained: np.ndarray) -> tuple[int, int]:
    """The bins from first to last whose share, against all others, has the largest PSI.

    Of a tail and the rest, which have the same, it is the one that grew. The missing values are a
    bin of their own, at the end.
    """
    tiny = 1e-6
    best, found = -1.0, (0, 0)
    missing = day.size - 1
    ranges = [(i, j) for i in range(missing) for j in range(i, missing)] + [(missing, missing)]
    for i, j in ranges:
        if (i, j) == (0, missing - 1) and missing > 1:
            continue
        q, p = (np.clip(x[i : j + 1].sum(), tiny, 1 - tiny) for x in (day, trained))
        moved = float((q - p) * (np.log(q / p) - np.log((1 - q) / (1 - p))))
        # Rounding makes a tail and the rest differ in the last digits.
        if moved > best * (1 + 1e-9) or (math.isclose(moved, best, rel_tol=1e-9) and q > p):
            best, found = moved, (i, j)
    return found


def _range(name: str, low: float | None, high: float | None) -> str:
    """The values over `low` up to `high`, as the feature's own words have them."""
    if name == SCORE or name not in CATALOGUE.names:
        return _between(low, high, number)
    phrase = phrase_of(CATALOGUE, name)
    if isinstance(phrase, Choice) and (low is None) != (high is None):
        return f"with: {phrase.yes if high is None else phrase.no}"
    if isinstance(phrase, Calendar):
        first = phrase.values[0] if low is None else math.floor(low) + 1
        last = phrase.values[-1] if high is None else math.floor(high)
        return phrase.write(first, last)
    if isinstance(phrase, Count):
        return _whole(low, high)
    return _between(low, high, phrase.quantity)


def _between(low: float | None, high: float | None, write: Callable[[float], str]) -> str:
    if high is None:
        return "with any value" if low is None else f"above {write(low)}"
    return f"up to {write(high)}" if low is None else f"between {write(low)} and {write(high)}"


def _whole(low: float | None, high: float | None) -> str:
    """Whole numbers: an edge lies between two of them."""
    first = None if low is None else math.floor(low) + 1
    last = None if high is None else math.floor(high)
    if first is None and last is None:
        return "with any number"
    if first is None:
        return f"with at most {last:,}" if last else "with none"
    if last is None:
        return f"with {first:,} or more"
    return f"with {first:,}" if first == last else f"with {first:,} to {last:,}"
