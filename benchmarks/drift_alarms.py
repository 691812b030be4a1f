"""False alarms and detection delay of drift, by measure, over simulated quiet and shifted series.

A series is thirty days of payments by users who each have habits of their own; Sundays' amounts
are higher. In a shifted one something moves on day 10 for good. Beside the platform's rule stands
what a dashboard usually does: PSI over 0.1 on any feature, whatever the day's rows.
"""

import argparse
from collections.abc import Callable

import numpy as np

from fraud_platform.modelling.reference import SCORE, build_reference, read_reference
from fraud_platform.monitoring.distance import MEASURES
from fraud_platform.monitoring.drift import Drifted, judge_day
from fraud_platform.settings import Drift

DAYS, TRAINED, MOVES = 30, 28, 10
NAMES = ("amount", "hour_of_day", "user_tx_count_24h", "time_since_last_tx", "device_new")
Columns = dict[str, np.ndarray]
Shift = Callable[[Columns, np.random.Generator], Columns]


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
        higher = 0.15 if number % 7 == 6 else 0.0
        since = random.exponential(40_000, rows)
        since[random.random(rows) < 0.1] = np.nan
        values = {
            "amount": np.exp(self._habit[users] + higher + random.normal(0, 0.6, rows)).round(2),
            "hour_of_day": (self._hour[users] + random.poisson(3, rows)) % 24.0,
            "user_tx_count_24h": random.poisson(2, rows).astype(float),
            "time_since_last_tx": since,
            "device_new": (random.random(rows) < 0.1).astype(float),
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
RULES: dict[str, Callable[[Drifted], bool]] = {
    "platform": lambda found: bool(found.found),
    **{
        name: lambda found, name=name: any(
            name in one.over and name not in one.usual for one in found.measured
        )
        for name in MEASURES
    },
    "PSI over 0.1": lambda found: any(one.distances["psi"] > 0.1 for one in found.measured),
}


def series(rows: int, users: int, seed: int, shift: Shift | None) -> list[Drifted]:
    """Each day of a series held against the four weeks before it."""
    world, random = World(rows, users, seed), np.random.default_rng([seed, 1])
    before = [world.day(i)[0] for i in range(TRAINED)]
    fitted = {name: np.concatenate([day[name] for day in before]) for name in before[0]}
    matrix = np.column_stack([fitted[name] for name in NAMES])
    reference = read_reference(build_reference(matrix, fitted[SCORE], NAMES))
    judged = []
    for i in range(DAYS):
        day, owners = world.day(TRAINED + i)
        if shift is not None and i >= MOVES:
            day = shift(day, random)
        same = before[i % 7 :: 7]
        found = judge_day(
            day,
            dict.fromkeys(day, (owners,)),
            reference,
            [*NAMES, SCORE],
            Drift(),
            lambda name, same=same: [one[name] for one in same],
        )
        judged.append(found)
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=200, help="series of each kind")
    parser.add_argument("--rows", type=int, nargs="+", default=[150, 1_000, 10_000])
    asked = parser.parse_args()
    for rows in asked.rows:
        users = max(20, rows // 3)
        print(f"\n{rows:,} payments a day of {users:,} users, {asked.series} series of each kind")
        quiet = [series(rows, users, seed, None) for seed in range(asked.series)]
        print(f"{'':24}" + "".join(f"{name:>14}" for name in RULES))
        alarms = {
            name: np.mean([rule(day) for one in quiet for day in one])
            for name, rule in RULES.items()
        }
        print(f"{'false alarms a day':24}" + "".join(f"{x:14.2%}" for x in alarms.values()))
        for kind, shift in SHIFTS.items():
            moved = [series(rows, users, seed, shift)[MOVES:] for seed in range(asked.series)]
            print(f"{kind:24}" + "".join(f"{_delay(moved, r):>14}" for r in RULES.values()))


def _delay(moved: list[list[Drifted]], rule: Callable[[Drifted], bool]) -> str:
    """Mean days from the shift to the first alarm, and in which share of the series one came."""
    first = [next((i for i, day in enumerate(one) if rule(day)), None) for one in moved]
    found = [day for day in first if day is not None]
    return f"{np.mean(found):.1f} d, {len(found) / len(first):.0%}" if found else "never"


if __name__ == "__main__":
    main()
