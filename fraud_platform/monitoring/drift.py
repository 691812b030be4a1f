"""A day against the reference that the live model carries: what moved, beyond chance and habit.

A feature has drifted where a measure exceeds its limit by more than sampling noise explains. The
noise is taken at a chance that all measures of all features share (Bonferroni), and for as many
independent rows as the day's users and merchants are worth. Where former days of the same weekday
are known, the measure has to stand out of them too, by more than they differ among themselves.
They are of the time of the training, so that what moved lastingly doesn't become its own excuse.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.reference import SCORE, Histogram, read_reference
from fraud_platform.monitoring.distance import (
    MEASURES,
    Binned,
    binned,
    bins_of,
    design_effect,
    distances,
    noise,
    of_reference,
    outside_of,
    pooled,
)
from fraud_platform.settings import Drift

Past = Callable[[str], Sequence[np.ndarray]]
"""The values of a feature on former days of the same weekday, each (rows,)."""


class DriftError(PredictFlowError):
    """A day that can't be held against a model, and why not."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A feature's day beside training, each figure by the measure's name.

    `shares` and `trained` are of the bins between `edges`, the missing ones last. `bound` is the
    limit with the noise on top; `over` the measures beyond it, `usual` those of them that same
    weekdays explain. `effect` is the day's design effect, `effects` are those of missing values and
    of values outside beyond it, `unseen` some values outside.
    """

    name: str
    rows: int
    edges: list[float]
    shares: list[float]
    trained: list[float]
    effect: float
    effects: dict[str, float] = {}
    outside: float
    unseen: list[float]
    distances: dict[str, float]
    bound: dict[str, float]
    over: list[str]
    usual: list[str] = []
    ignored: bool = False

    @property
    def drifted(self) -> bool:
        return not self.ignored and len(self.over) > len(self.usual)

    @property
    def excess(self) -> float:
        """How many times its bound the farthest measure is, but for those weekdays explain."""
        judged = (name for name in self.distances if name not in self.usual)
        return max((self.distances[name] / self.bound[name] for name in judged), default=0.0)


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """The day's features: those measured, those that vanished, those that training didn't keep."""

    measured: list[Measured]
    vanished: list[str]
    unknown: list[str]

    @property
    def found(self) -> list[Measured]:
        """What drifted, the farthest beyond its bounds first."""
        return sorted(
            (one for one in self.measured if one.drifted), key=lambda one: one.excess, reverse=True
        )


def reference_of(model: str, features: Sequence[str], reference: Any) -> dict[str, Histogram]:
    """The histograms of a bundle's `reference`; raises DriftError for a model without any, or with
    some of another schema."""
    mend = "train and deploy a model with this version"
    if not reference:
        raise DriftError(f"{model} carries no reference of its training; {mend}")
    try:
        found = read_reference(reference)
    except msgspec.ValidationError as error:
        raise DriftError(f"{model}: its reference isn't readable: {error}; {mend}") from error
    for name, one in found.items():
        edges, rows = one.edges, one.rows
        if len(one.shares) != len(edges) + 1 or edges != sorted(set(edges)) or rows < 1:
            raise DriftError(
                f"{model}: the reference of {name} has {len(one.shares)} shares for "
                f"{len(edges)} edges and {rows} rows, expected one more share than rising edges, "
                f"and rows; {mend}"
            )
    if not set(found) & set(features):
        raise DriftError(
            f"{model}: its reference is of {', '.join(sorted(found))}, its features are "
            f"{', '.join(features)}; {mend}"
        )
    return found


def judge_day(
    columns: Mapping[str, np.ndarray],
    groups: Mapping[str, Sequence[np.ndarray]],
    reference: Mapping[str, Histogram],
    names: Sequence[str],
    settings: Drift,
    past: Past = lambda _: (),
) -> Drifted:
    """Holds each of `names` (features and `score`) against its reference.

    `columns` are the day's values (rows,) by name, NaN = missing, and `groups` the codes from 0 on
    of who each of those rows is of (users, merchants). `past` is asked only of what looks drifted.
    Raises DriftError for a day with fewer rows than `min_rows`, and for a tolerance of what is no
    feature.
    """
    times = settings.times
    strange = sorted(set(times) - {*names, *FEATURE_NAMES, SCORE})
    if strange:
        raise DriftError(
            f"setting drift.tolerances names {', '.join(strange)}, which is no feature of the "
            "model or of the catalogue; take it out or mend its name"
        )
    rows = max((column.size for column in columns.values()), default=0)
    if rows < settings.min_rows:
        raise DriftError(
            f"the day has {f'{rows:,} rows' if rows else 'no rows'}; "
            f"from {settings.min_rows} on (drift.min_rows) it is judged"
        )
    judged = [name for name in names if name in reference and name in columns]
    chance = settings.false_alarms / (len(MEASURES) * max(1, len(judged)))
    measured = []
    for name in judged:
        if columns[name].size < settings.min_rows:
            continue
        limits = {one: getattr(settings, one) * times.get(name, 1) for one in MEASURES}
        one = _measure(name, columns[name], groups[name], reference[name], limits, chance)
        one = msgspec.structs.replace(one, ignored=name in settings.quiet)
        if one.drifted:
            days = [binned(values, reference[name]) for values in past(name) if values.size]
            beyond = beyond_habit(one, days, chance)
            usual = [name for name in one.over if beyond and beyond[name] <= limits[name]]
            one = msgspec.structs.replace(one, usual=usual)
        measured.append(one)
    return Drifted(
        measured=measured,
        vanished=[name for name in names if name != SCORE and name not in columns],
        unknown=[name for name in names if name not in reference],
    )


def _measure(
    name: str,
    values: np.ndarray,
    groups: Sequence[np.ndarray],
    reference: Histogram,
    limits: Mapping[str, float],
    chance: float,
) -> Measured:
    bins, count = bins_of(values, reference), len(reference.shares) + 1
    effect = _effect(bins, groups, count)
    outside = outside_of(values, reference)
    alone = {
        "missing": _effect(np.isnan(values).astype(np.int64), groups, 2) / effect,
        "outside": _effect(outside.astype(np.int64), groups, 2) / effect,
    }
    effects = {one: max(1.0, found) for one, found in alone.items()}
    # Training's rows are of the same users and merchants.
    day, trained = binned(values, reference).worth(effect), of_reference(reference).worth(effect)
    day = msgspec.structs.replace(day, effects=effects)
    found, extra = distances(day, trained), noise(day, trained, chance)
    bound = {one: limits[one] + extra[one] for one in MEASURES}
    unseen, counts = np.unique(values[outside], return_counts=True)
    return Measured(
        name=name,
        rows=values.size,
        edges=reference.edges,
        shares=day.shares,
        trained=trained.shares,
        effect=effect,
        effects=effects,
        outside=day.outside,
        unseen=unseen[np.argsort(-counts, kind="stable")][:3].tolist(),
        distances=found,
        bound=bound,
        over=[one for one in MEASURES if found[one] > bound[one]],
    )


def _effect(bins: np.ndarray, groups: Sequence[np.ndarray], count: int) -> float:
    """The largest design effect of any grouping; at least 1."""
    return max([1.0, *(design_effect(bins, codes, count) for codes in groups)])


def beyond_habit(one: Measured, days: Sequence[Binned], chance: float) -> dict[str, float]:
    """How far each measure stands out of former days of the same weekday, with what chance explains
    and how far those are apart taken off; empty for fewer than two, which show no spread."""
    if len(days) < 2:
        return {}
    day = Binned(shares=one.shares, outside=one.outside, rows=one.rows, effects=one.effects)
    day = day.worth(one.effect)
    days = [former.worth(one.effect) for former in days]
    habit = pooled(days)
    among = [distances(own, pooled([o for o in days if o is not own])) for own in days]
    found, extra = distances(day, habit), noise(day, habit, chance)
    return {
        name: found[name] - extra[name] - max(other[name] for other in among) for name in MEASURES
    }
