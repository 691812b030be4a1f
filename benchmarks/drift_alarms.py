"""False alarms and detection delay of drift, by measure, over simulated quiet and shifted series.

A series is thirty days of payments by users who each have habits of their own; Sundays' amounts
are higher, and no day is quite like another (its amounts by 5 %, its new devices by 10 %). In a
shifted one something moves on day 10 for good. The platform's rule (`all`) stands beside each of
its measures alone, other limits, the same without the weekdays' habit, and what a dashboard usually
does: PSI over 0.1 on any feature, whatever the day's rows.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fraud_platform.modelling.reference import (
    SCORE,
    Histogram,
    build_reference,
    read_reference,
)
from fraud_platform.monitoring.distance import MEASURES, Binned, binned
from fraud_platform.monitoring.drift import beyond_habit, judge_day
from fraud_platform.settings import Drift

DAYS, TRAINED, MOVES, WATCHED = 30, 28, 10, 10
NAMES = ("amount", "hour_of_day", "user_tx_count_24h", "time_since_last_tx", "device_new")
Columns = dict[str, np.ndarray]
Shift = Callable[[Columns, np.random.Generator], Columns]
QUIET, DASHBOARD = "quiet", "PSI over 0.1"
SET = Drift()
ANY = Drift(**dict.fromkeys(MEASURES, 1e-12))
"""Limits that all exceeds, so that every distance is looked into."""
RULES = (*MEASURES, "all", "all x 0.5", "all x 2", "all x 4", "no weekdays", DASHBOARD)


class World:
    """Users with habits, who pay `rows` times a day together."""

    def __init__(self, rows: int, users: int, seed: int) -> None:
        self._random, self._rows, self._users = np.random.default_rng(seed), rows, users
        self._habit = self._random.normal(3.5, 0.8, users)
        self._hour = self._random.integers(0, 24, users)

    def day(self, number: int) -> tuple[Columns, np.ndarray]:
        """The day's values by name, and whose each row is."""
        random, rows = self._random, self._rows
        users = np.sort(random.integers(0, self._users, rows))
        higher = (0.15 if number % 7 == 6 else 0.0) + random.normal(0, 0.05)
        odd_devices = 0.1 * np.exp(random.normal(0, 0.1))
        since = random.exponential(40_000, rows)
        since[random.random(rows) < 0.1] = np.nan
        values = {
            "amount": np.exp(self._habit[users] + higher + random.normal(0, 0.6, rows)).round(2),
            "hour_of_day": (self._hour[users] + random.poisson(3, rows)) % 24.0,
            "user_tx_count_24h": random.poisson(2, rows).astype(float),
            "time_since_last_tx": since,
            "device_new": (random.random(rows) < odd_devices).astype(float),
        }
        values[SCORE] = 1 / (1 + np.exp(6 - np.log(values["amount"]) + random.normal(0, 1, rows)))
        return values, np.unique(users, return_inverse=True)[1]


def _with(name: str, values: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Shift:
    return lambda day, random: day | {name: values(day[name], random)}


def _some(share: float, value: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda old, random: np.where(random.random(old.size) < share, value, old)


SHIFTS: dict[str, Shift] = {
    "amounts 1.5 times": _with("amount", lambda old, _: old * 1.5),
    "amounts 2 times": _with("amount", lambda old, _: old * 2),
    "15 % at 3:00": _with("hour_of_day", _some(0.15, 3.0)),
    "10 % missing more": _with("time_since_last_tx", _some(0.1, np.nan)),
    "twice the new devices": _with("device_new", _some(0.11, 1.0)),
    "3 % a new value": _with("user_tx_count_24h", _some(0.03, 99.0)),
}
HYSTERESIS = (1, 2, 3)
Beyond = np.ndarray
"""(days, measures, features): the largest limit at which the day would still alarm."""


@dataclass(frozen=True)
class Series:
    """A series' days, judged: against training alone, and as the platform does, against former days
    of the same weekday too. `psi` (days,) is the largest index of any feature."""

    trained: Beyond
    beyond: Beyond
    psi: np.ndarray


def judged_series(rows: int, users: int, seed: int) -> dict[str, Series]:
    """A quiet series, and from the same one each of SHIFTS: by name its days from MOVES on."""
    world = World(rows, users, seed)
    before = [world.day(i)[0] for i in range(TRAINED)]
    fitted = {name: np.concatenate([day[name] for day in before]) for name in before[0]}
    matrix = np.column_stack([fitted[name] for name in NAMES])
    reference = read_reference(build_reference(matrix, fitted[SCORE], NAMES))
    past = [{name: binned(day[name], reference[name]) for name in day} for day in before]
    days = [world.day(TRAINED + i) for i in range(DAYS)]

    def judge(shift: Shift | None) -> Series:
        random = np.random.default_rng([seed, 1])
        found = [
            _judged(shift(day, random) if shift else day, owners, reference, past[i % 7 :: 7])
            for i, (day, owners) in enumerate(days)
            if shift is None or MOVES <= i < MOVES + WATCHED
        ]
        return Series(*(np.array(part) for part in zip(*found, strict=True)))

    return {QUIET: judge(None)} | {name: judge(shift) for name, shift in SHIFTS.items()}


def _judged(
    day: Columns,
    owners: np.ndarray,
    reference: dict[str, Histogram],
    past: Sequence[dict[str, Binned]],
) -> tuple[np.ndarray, np.ndarray, float]:
    """The limits (measures, features) that the day would still be over, without and with the habit
    of its weekday, and its largest PSI."""
    found = judge_day(day, dict.fromkeys(day, (owners,)), reference, [*NAMES, SCORE], ANY).measured
    chance = ANY.false_alarms / (len(MEASURES) * len(found))
    trained = [
        [one.distances[m] - one.bound[m] + getattr(ANY, m) for one in found] for m in MEASURES
    ]
    habit = [
        beyond_habit(one, [former[one.name] for former in past], chance) if one.over else {}
        for one in found
    ]
    among = [[own.get(m, np.inf) for own in habit] for m in MEASURES]
    psi = max(one.distances["psi"] for one in found)
    return np.array(trained), np.minimum(trained, among), psi


def alarms(one: Series, rule: str) -> np.ndarray:
    """Which days (days,) alarm by a rule: a measure at its limit, all of them, those at some times
    their limits, without the weekdays' habit, or what a dashboard does."""
    name, _, times = rule.partition(" x ")
    if rule == DASHBOARD:
        return one.psi > 0.1
    limits = np.array([getattr(SET, m) for m in MEASURES])[:, None] * float(times or 1)
    over = ((one.trained if name == "no weekdays" else one.beyond) > limits).any(axis=2)
    return over[:, MEASURES.index(name)] if name in MEASURES else over.any(axis=1)


def first_alarm(days: np.ndarray, in_a_row: int) -> int | None:
    """The day on which so many in a row have alarmed, from 0 on."""
    run = 0
    for i, alarm in enumerate(days):
        run = run + 1 if alarm else 0
        if run == in_a_row:
            return i
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200, help="series of each kind")
    parser.add_argument("--rows", type=int, nargs="+", default=[150, 1_000, 10_000])
    asked = parser.parse_args()
    for rows in asked.rows:
        users = max(20, rows // 3)
        print(f"\n{rows:,} payments a day of {users:,} users, {asked.series} series of each kind")
        print("By rule: quiet days and quiet series of 30 days that alarm; then by shift the mean")
        print("days to the alarm, and in which share of the series it came within 10\n", flush=True)
        found = [judged_series(rows, users, seed) for seed in range(asked.series)]
        _print(found)


def _print(found: Sequence[dict[str, Series]]) -> None:
    print("| rule | in a row | days | series | " + " | ".join(SHIFTS) + " |")
    print("|---|--:|--:|--:|" + "--:|" * len(SHIFTS))
    for rule, in_a_row in [(one, n) for one in RULES for n in _hysteresis(one)]:
        quiet = [alarms(one[QUIET], rule) for one in found]
        days = np.mean(quiet)
        series = np.mean([first_alarm(one, in_a_row) is not None for one in quiet])
        delays = [_delay([alarms(one[name], rule) for one in found], in_a_row) for name in SHIFTS]
        cells = [rule, str(in_a_row), f"{days:.2%}", f"{series:.1%}", *delays]
        print(f"| {' | '.join(cells)} |", flush=True)


def _hysteresis(rule: str) -> tuple[int, ...]:
    return (1,) if rule in MEASURES else HYSTERESIS


def _delay(moved: Sequence[np.ndarray], in_a_row: int) -> str:
    """Mean days from the shift to the alarm, and in which share of the series it came."""
    days = [first for one in moved if (first := first_alarm(one, in_a_row)) is not None]
    return f"{np.mean(days):.1f} d, {len(days) / len(moved):.0%}" if days else "never"


if __name__ == "__main__":
    main()
