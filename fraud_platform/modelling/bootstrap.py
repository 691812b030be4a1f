"""How far the test days' figures would have moved with other users: a bootstrap over users.

Payments of one card are not independent: a stolen card pays again and again, and a model that
catches its first fraud mostly catches the rest. Drawing rows would take each of them for news and
give intervals that are too narrow, so whole users are drawn, with replacement, as many as there are
(the cluster bootstrap: Field, Welsh, Bootstrapping clustered data, JRSS B 69, 2007). All that are
compared are judged on the same draws, so that their difference has an interval of its own: what is
hard for one is mostly hard for the other.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from fraud_platform.modelling.calibration import BINS
from fraud_platform.modelling.card_precision import users_by_day
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.record import Interval
from fraud_platform.modelling.scored import arrays, check_both_classes, weight_of

K = 100
"""Cards a day of `card_precision_100`."""
DEEP = 10 * K
"""Users a day that can come among the first K: fewer than K are drawn of so many in one of 1e200
samples."""

Samples = dict[str, np.ndarray]


class Entrant(msgspec.Struct, frozen=True, kw_only=True):
    """One who decides on the test rows: scored rows (see `scored`), fraud is above `threshold`.

    All that are compared have the same rows in the same order. With `ranks` False the scores are no
    ranking, and no figure is made of them.
    """

    rows: pl.DataFrame
    threshold: float
    ranks: bool = True


def resample(
    entrants: Mapping[str, Entrant], costs: Costs, *, samples: int, seed: int
) -> dict[str, Samples]:
    """Of each entrant its metrics on `samples` draws of users, by name as in `evaluate.Metrics`.

    The arrays have the shape (samples,), `money_saved` in currency units, and at the same place in
    each is the same draw. A user drawn twice is two cards; a row's `weight`, where there is one, is
    its user's, drawn or not. A draw without a fraud, or of nothing
    else, has no metric: NaN. Equal rows, in any order, and seeds give equal figures. Raises
    EvaluationError for rows of one class.
    """
    rows = next(iter(entrants.values())).rows
    check_both_classes(rows)
    names = rows["user_id"].unique().sort()
    # In the order of the names, which equal scores are taken in.
    users = rows["user_id"].cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy()
    sums = {name: _sums(one, users, names.len(), costs) for name, one in entrants.items()}
    rankings = {name: _Ranking(one.rows, users) for name, one in entrants.items() if one.ranks}
    cards = {name: _Cards(one.rows, users) for name, one in entrants.items() if one.ranks}
    summed = {name: np.empty((samples, of.shape[1])) for name, of in sums.items()}
    ranked = {name: np.empty((samples, 3)) for name in rankings}
    for i, drawn in enumerate(draws(names.len(), samples=samples, seed=seed)):
        # One byte each: no user comes 256 times, and gathering them takes half as long.
        weights, small = drawn.astype(np.float64), drawn.astype(np.uint8)
        for name, of in sums.items():
            summed[name][i] = weights @ of
        for name, ranking in rankings.items():
            ranked[name][i] = (*ranking.areas(small), cards[name].precision(small))
    return {name: _metrics(summed[name], ranked.get(name)) for name in entrants}


def draws(users: int, *, samples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of so many users is drawn, (users,), a sample at a time."""
    random = np.random.default_rng(seed)
    for _ in range(samples):
        yield np.bincount(random.integers(0, users, users), minlength=users)


def interval(samples: np.ndarray) -> Interval | None:
    """Where the middle 95 % of the samples lie; None where no draw had both classes."""
    told = samples[~np.isnan(samples)]
    if not told.size:
        return None
    low, high = np.percentile(told, [2.5, 97.5])
    return Interval(low=float(low), high=float(high))


def gains(model: Samples, rival: Samples, names: Sequence[str]) -> dict[str, Interval]:
    """Intervals of the model's metric minus the rival's, draw by draw."""
    found = {name: interval(model[name] - rival[name]) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def _sums(entrant: Entrant, users: np.ndarray, count: int, costs: Costs) -> np.ndarray:
    """What is a sum over users, users x (rows, frauds, alerts, caught, cents saved, squares, and of
    each bin of `reliability` scores less frauds)."""
    score, is_fraud, amount_cents = arrays(entrant.rows)
    alert = score > entrant.threshold
    saved = np.where(is_fraud, amount_cents + costs.missed_fraud_fee, -costs.false_alarm)
    columns = (None, is_fraud, alert, alert & is_fraud, (saved - costs.review) * alert)
    bins = np.minimum((score * BINS).astype(np.int32), BINS - 1) + BINS * users
    off = score - is_fraud
    weight = weight_of(entrant.rows)
    if weight is not None:
        columns = (weight, *(column * weight for column in columns[1:]))
    squares = np.square(off)
    if weight is not None:
        squares, off = squares * weight, off * weight
    return np.column_stack(
        [
            *(np.bincount(users, weights=column, minlength=count) for column in columns),
            np.bincount(users, weights=squares, minlength=count),
            np.bincount(bins, weights=off, minlength=BINS * count).reshape(count, BINS),
        ]
    )


def _metrics(summed: np.ndarray, ranked: np.ndarray | None) -> Samples:
    rows, frauds, alerts, caught, saved, squares = summed[:, :6].T
    found = {
        "precision": caught / np.maximum(alerts, 1),
        "recall": caught / np.maximum(frauds, 1),
        "f1": 2 * caught / np.maximum(alerts + frauds, 1),
        "accuracy": (rows - alerts - frauds + 2 * caught) / rows,
        "accuracy_never_fraud": (rows - frauds) / rows,
        "money_saved": saved / 100,
    }
    if ranked is not None:
        found["brier"] = squares / rows
        found["expected_calibration_error"] = np.abs(summed[:, 6:]).sum(axis=1) / rows
        found |= dict(
            zip(("auc_roc", "average_precision", "card_precision_100"), ranked.T, strict=True)
        )
    one_class = (frauds == 0) | (frauds == rows)
    return {name: np.where(one_class, np.nan, values) for name, values in found.items()}


class _Ranking:
    """Rows sorted by score once; of each draw the areas under ROC and under precision and recall.

    Both change only where a fraud lies, so a draw's weights are summed between the groups of equal
    scores that hold one: the rest needs no sorting, comparing or cumulating.
    """

    def __init__(self, rows: pl.DataFrame, users: np.ndarray) -> None:
        score, is_fraud, _ = arrays(rows)
        order = np.argsort(-score, kind="stable")
        score, places = score[order], np.flatnonzero(is_fraud[order])
        self._users = users[order]
        self._fraud_users = self._users[places]
        weight = weight_of(rows)
        self._weight = None if weight is None else weight[order]
        self._fraud_weight = None if weight is None else weight[order][places]
        # The first fraud of each group of equal scores, where the group starts, and where it ends.
        values, self._first = np.unique(-score[places], return_index=True)
        starts, ends = (np.searchsorted(-score, values, side=s) for s in ("left", "right"))
        self._cuts = np.unique(np.concatenate([[0], starts, ends]))
        self._cuts = self._cuts[self._cuts < score.size]
        self._starts, self._ends = (np.searchsorted(self._cuts, at) for at in (starts, ends))

    def areas(self, drawn: np.ndarray) -> tuple[float, float]:
        """AUC ROC and average precision with each user's rows `drawn` times."""
        between = _summed(drawn[self._users], self._weight, self._cuts)
        above = np.concatenate([[0], np.cumsum(between)])
        before, upto = above[self._starts], above[self._ends]
        here = _summed(drawn[self._fraud_users], self._fraud_weight, self._first)
        caught = np.cumsum(here)
        frauds, rest = caught[-1], above[-1] - caught[-1]
        if not frauds or not rest:
            return np.nan, np.nan
        stopped = (before + upto - 2 * caught + here) / 2  # legitimate ones above, half of ties
        auc = 1 - (here * stopped).sum() / (frauds * rest)
        precision = (here * caught / np.maximum(upto, 1)).sum() / frauds
        return float(auc), float(precision)


def _summed(drawn: np.ndarray, weight: np.ndarray | None, starts: np.ndarray) -> np.ndarray:
    """How often rows count between one start and the next."""
    if weight is None:
        return np.add.reduceat(drawn, starts, dtype=np.int64)
    return np.add.reduceat(drawn * weight, starts)


class _Cards:
    """Each day's most suspicious users, sorted once; of each draw their card precision."""

    def __init__(self, rows: pl.DataFrame, users: np.ndarray) -> None:
        named = users_by_day(rows.with_columns(user_id=pl.Series(users)))
        first = (
            named.group_by("event_date", maintain_order=True)
            .head(DEEP)
            .with_columns(
                day=pl.col("event_date").rank("dense") - 1,
                place=pl.int_range(pl.len()).over("event_date"),
            )
        )
        day, place = first["day"].to_numpy().astype(np.int64), first["place"].to_numpy()
        shape = (int(day.max()) + 1, int(place.max()) + 1)
        self._users, self._frauds = np.full(shape, -1, np.int32), np.zeros(shape, bool)
        self._users[day, place] = first["user_id"].to_numpy()
        self._frauds[day, place] = first["is_fraud"].to_numpy()
        self._weight = None
        if "weight" in first.columns:
            self._weight = np.zeros(shape)
            self._weight[day, place] = first["weight"].to_numpy()

    def precision(self, drawn: np.ndarray) -> float:
        """`card_precision` at K with each user `drawn` times."""
        times = np.append(drawn, 0).astype(np.int64)[self._users]
        if self._weight is not None:
            times = times * self._weight
        before = np.cumsum(times, axis=1) - times
        taken = np.clip(K - before, 0, times)
        cards = taken.sum(axis=1)
        shares = (taken * self._frauds).sum(axis=1)[cards > 0] / cards[cards > 0]
        return float(shares.mean())
