"""How features and scores were distributed in training: what live traffic is held against."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from fraud_platform.features.catalogue import FEATURE_NAMES

BINS = 10
VALUES = 32
"""Up to so many different values are each kept: flags, hours, small counts."""
SCORE = "score"


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of rows by bin, the missing ones apart; all of them together make 1.

    Bin i holds edges[i-1] < value <= edges[i]; the first and the last are open outwards, so that
    any number falls in one. There is one more share than edges. `rows` is how many rows were
    counted. `least` and `greatest` are the extremes of what was counted, `values` all of it in
    order where there are at most VALUES; None where nothing was, or the histogram is of a version
    that didn't keep them.
    """

    edges: list[float]
    shares: list[float]
    missing: float
    rows: int
    least: float | None = None
    greatest: float | None = None
    values: list[float] | None = None


def build_reference(
    matrix: np.ndarray, scores: np.ndarray, features: Sequence[str] = FEATURE_NAMES
) -> dict[str, Any]:
    """A histogram of each feature of `matrix` (rows x features, NaN = missing) and of `scores`.

    The scores (rows,) go by the name `score`. The result is plain JSON values, one
    `Histogram` a name, for a bundle's `reference`. Raises ValueError without rows.
    """
    columns = {name: matrix[:, i] for i, name in enumerate(features)} | {SCORE: scores}
    return {
        name: msgspec.to_builtins(histogram(column, quantile_edges(column)))
        for name, column in columns.items()
    }


def read_reference(reference: dict[str, Any]) -> dict[str, Histogram]:
    """The histograms that `build_reference` made, from a manifest's `reference`."""
    return msgspec.convert(reference, dict[str, Histogram])


def quantile_edges(values: np.ndarray, bins: int = BINS) -> list[float]:
    """Edges that cut `values` (rows,) into about equal shares; NaN is left out.

    An edge lies halfway between two values that occur, so that no rounding moves a value over it.
    A value that alone makes up a bin's share gets a bin to itself: of a flag that is nearly always
    1, the zeros stay visible.
    """
    found, counts = np.unique(values[~np.isnan(values)].astype(np.float64), return_counts=True)
    if found.size < 2:
        return [float(found[0])] if found.size else []
    share = counts / counts.sum()
    last_of_bin = np.searchsorted(np.cumsum(share), np.arange(1, bins) / bins)
    heavy = np.flatnonzero(share >= 1 / bins)
    after = np.unique(np.concatenate([last_of_bin, heavy, heavy - 1]))
    after = after[(after >= 0) & (after < found.size - 1)]
    return ((found[after] + found[after + 1]) / 2).tolist()


def histogram(values: np.ndarray, edges: Sequence[float]) -> Histogram:
    """The shares of `values` (rows,) between `edges`; raises ValueError without rows."""
    if not values.size:
        raise ValueError("a histogram of no rows has no shares")
    present = values[~np.isnan(values)]
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), present, side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    found = np.unique(present)
    return Histogram(
        edges=list(edges),
        shares=(counts / values.size).tolist(),
        missing=(values.size - present.size) / values.size,
        rows=values.size,
        least=float(found[0]) if found.size else None,
        greatest=float(found[-1]) if found.size else None,
        values=found.tolist() if 0 < found.size <= VALUES else None,
    )
