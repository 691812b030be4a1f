"""Shifts are found and named, quiet days are quiet, and what can't be judged says so."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from fraud_platform.modelling.reference import SCORE, Histogram, build_reference, read_reference
from fraud_platform.monitoring.drift import Drifted, DriftError, judge_day, reference_of
from fraud_platform.monitoring.drift_words import sentences, times
from fraud_platform.settings import Drift

NAMES = [
    "amount",
    "hour_of_day",
    "day_of_week",
    "user_tx_count_24h",
    "time_since_last_tx",
    "device_new",
]
ROWS = 2_000
Columns = dict[str, np.ndarray]


def payments(random: np.random.Generator, rows: int = ROWS, weekday: int | None = None) -> Columns:
    """Values of a day, or without a weekday of many."""
    since = random.exponential(40_000, rows)
    since[random.random(rows) < 0.1] = np.nan
    weekdays = random.integers(0, 7, rows) if weekday is None else np.full(rows, weekday)
    return {
        "amount": np.round(random.lognormal(3.5, 1.0, rows), 2),
        "hour_of_day": random.integers(0, 24, rows).astype(float),
        "day_of_week": weekdays.astype(float),
        "user_tx_count_24h": random.poisson(2, rows).astype(float),
        "time_since_last_tx": since,
        "device_new": (random.random(rows) < 0.1).astype(float),
        SCORE: random.beta(1, 30, rows),
    }


@pytest.fixture(scope="module")
def trained() -> dict[str, Histogram]:
    values = payments(np.random.default_rng(0), 50_000)
    matrix = np.column_stack([values[name] for name in NAMES])
    return read_reference(build_reference(matrix, values[SCORE], NAMES))


@pytest.fixture
def day() -> Columns:
    return payments(np.random.default_rng(1), weekday=3)


def judged(day: Columns, trained: dict[str, Histogram], **options: Any) -> Drifted:
    rows = max(column.size for column in day.values())
    codes = options.pop("users", np.arange(rows))
    groups = {name: [codes] for name in day}
    past = options.pop("past", lambda _: ())
    return judge_day(day, groups, trained, [*NAMES, SCORE], Drift(**options), past)


def told(found: Drifted) -> list[str]:
    return [text for one in found.found for text in sentences(one)]


@pytest.mark.parametrize("rows", [100, 500, 5_000])
def test_days_drawn_from_training_raise_no_alarm(trained: dict[str, Histogram], rows: int) -> None:
    random = np.random.default_rng(rows)
    alarms = [judged(payments(random, rows, i % 7), trained).found for i in range(100)]
    assert not any(alarms)


def test_few_users_with_many_payments_raise_no_alarm(trained: dict[str, Histogram]) -> None:
    """Their rows are alike, so the day is as good as one of so many users."""
    random, false = np.random.default_rng(5), {"users": 0, "rows": 0}
    users = np.arange(ROWS) // 40
    for _ in range(40):
        of_user = payments(random, ROWS // 40)
        day = {name: column[users] for name, column in of_user.items()}
        false["users"] += bool(judged(day, trained, users=users).found)
        false["rows"] += bool(judged(day, trained).found)
    assert false["users"] <= 1
    assert false["rows"] > 30


def test_a_quiet_day_is_measured_all_the_same(day: Columns, trained: dict[str, Histogram]) -> None:
    found = judged(day, trained)
    assert [one.name for one in found.measured] == [*NAMES, SCORE]
    assert (found.found, found.vanished, found.unknown) == ([], [], [])
    (weekday,) = [one for one in found.measured if one.name == "day_of_week"]
    assert weekday.distances["psi"] > 1  # one of seven, as on every day
    assert weekday.ignored
    assert not weekday.drifted
    assert judged(day, trained, ignored="").found[0].name == "day_of_week"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("amount", lambda old: old * 2.5, "amount: "),
        (
            "device_new",
            lambda old: np.where(np.arange(old.size) % 2, 1.0, old),
            " with: user not seen with this device in the last 30 days (5",
        ),
        (
            "hour_of_day",
            lambda old: np.where(np.arange(old.size) % 2, 3.0, old),
            "UTC (5",
        ),
        ("user_tx_count_24h", lambda old: old + 2, "user_tx_count_24h: "),
        (
            "time_since_last_tx",
            lambda old: np.where(np.arange(old.size) % 2, np.nan, old),
            "time_since_last_tx: missing in 5",
        ),
        ("score", lambda old: np.minimum(old.max(), old * 3), "score: "),
    ],
)
def test_a_shift_is_found_and_named(
    day: Columns, trained: dict[str, Histogram], name: str, values: Any, said: str
) -> None:
    found = judged(day | {name: values(day[name])}, trained)
    assert [one.name for one in found.found] == [name]
    assert {one.name for one in found.measured if one.excess > 1} - {"day_of_week"} == {name}
    assert said in told(found)[0]
    assert "in training" in told(found)[0]


def test_twice_as_many_above_an_amount_is_said_so(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    edge = trained["amount"].edges[7]  # 20 % are above
    low, high = (day["amount"][side] for side in (day["amount"] <= edge, day["amount"] > edge))
    mixed = np.concatenate([np.resize(low, 1_200), np.resize(high, 800)])
    (text,) = told(judged(day | {"amount": mixed}, trained))
    assert text == f"amount: twice as many above {edge:.2f} (40 % of payments, 20 % in training)"


def test_a_new_category_is_named_however_small_its_share(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    hours = day["hour_of_day"].copy()
    hours[:60] = 24.0
    (text,) = told(judged(day | {"hour_of_day": hours}, trained))
    assert text == "hour_of_day: 3 % have a value that training never saw, as 24"


def test_a_feature_that_is_all_missing_drifted_and_one_that_is_gone_is_named(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    (text,) = told(judged(day | {"amount": np.full(ROWS, np.nan)}, trained))
    assert text == "amount: missing in 100 % of payments, in 0 % in training"
    without = {name: column for name, column in day.items() if name not in ("amount", SCORE)}
    found = judged(without, trained)
    assert found.vanished == ["amount"]
    assert len(found.measured) == len(NAMES) - 1


def test_missing_values_and_a_shift_of_the_others_are_two_findings(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    amount = day["amount"] * 3
    amount[:500] = np.nan
    missing, moved = told(judged(day | {"amount": amount}, trained))
    assert missing == "amount: missing in 25 % of payments, in 0 % in training"
    assert " times as many above " in moved
    assert " of those known, " in moved


def test_a_feature_that_training_kept_nothing_of_is_told(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    found = judged(day, {name: one for name, one in trained.items() if name != "amount"})
    assert found.unknown == ["amount"]
    assert "amount" not in [one.name for one in found.measured]


def test_what_such_weekdays_do_every_week_is_no_alarm(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    random = np.random.default_rng(3)
    sundays = [payments(random)["amount"] * random.uniform(1.8, 2.2) for _ in range(4)]
    asked = []

    def past(name: str) -> Sequence[np.ndarray]:
        asked.append(name)
        return sundays

    quiet = judged(day | {"amount": day["amount"] * 2}, trained, past=past)
    assert quiet.found == []
    assert asked == ["amount"]  # nothing else looked drifted
    (amount,) = [one for one in quiet.measured if one.name == "amount"]
    assert set(amount.usual) == set(amount.over) != set()
    assert amount.excess <= 1
    assert judged(day | {"amount": day["amount"] * 2}, trained).found
    beyond = judged(day | {"amount": day["amount"] * 6}, trained, past=past)
    assert [one.name for one in beyond.found] == ["amount"]
    lone = judged(day | {"amount": day["amount"] * 2}, trained, past=lambda _: sundays[:1])
    assert lone.found  # one former day has no spread


def test_a_tolerance_lets_a_feature_go_further(day: Columns, trained: dict[str, Histogram]) -> None:
    moved = day | {"amount": day["amount"] * 1.6}
    assert judged(moved, trained).found
    assert not judged(moved, trained, tolerances="amount=5").found
    with pytest.raises(DriftError, match=r"drift.tolerances names amuont, which is no feature"):
        judged(moved, trained, tolerances="amuont=5")


@pytest.mark.parametrize(("rows", "said"), [(0, "no rows"), (99, "99 rows")])
def test_a_day_of_too_few_rows_is_not_judged(
    trained: dict[str, Histogram], rows: int, said: str
) -> None:
    empty = dict.fromkeys([*NAMES, SCORE], np.zeros(rows))
    with pytest.raises(DriftError, match=f"the day has {said}; from 100 on"):
        judged(empty, trained)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({}, "m carries no reference of its training; train and deploy"),
        ({"amount": {"edges": [1.5], "shares": [0.5, 0.5]}}, "isn't readable"),
        ({"amount": [1, 2]}, "isn't readable"),
        (
            {"amount": {"edges": [1.5], "shares": [1.0], "missing": 0.0, "rows": 3}},
            "the reference of amount has 1 shares for 1 edges",
        ),
        (
            {"amount": {"edges": [2, 1], "shares": [0, 0, 1], "missing": 0.0, "rows": 3}},
            "rising edges",
        ),
        (
            {"other": {"edges": [], "shares": [1.0], "missing": 0.0, "rows": 3}},
            "its reference is of other, its features are amount, score",
        ),
    ],
)
def test_a_model_without_a_reference_of_this_schema_says_what_to_do(
    reference: Any, said: str
) -> None:
    with pytest.raises(DriftError, match="train and deploy a model") as refused:
        reference_of("m", ["amount", "score"], reference)
    assert said in str(refused.value)


def test_what_was_measured_survives_json(day: Columns, trained: dict[str, Histogram]) -> None:
    found = judged(day | {"amount": day["amount"] * 3}, trained)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Drifted) == found


@pytest.mark.parametrize(
    ("day", "training", "said"),
    [
        (0.4, 0.2, "twice as many"),
        (0.1, 0.2, "half as many"),
        (0.6, 0.2, "3 times as many"),
        (0.26, 0.2, "30 % more"),
        (0.14, 0.2, "30 % fewer"),
        (0.2, 0.2, "about as many"),
        (0.2, 0.0, "newly seen"),
    ],
)
def test_how_many_more_is_said_as_people_say_it(day: float, training: float, said: str) -> None:
    assert times(day, training) == said


def test_what_a_single_merchant_does_is_no_drift_and_what_many_do_is(
    day: Columns, trained: dict[str, Histogram]
) -> None:
    merchants = np.arange(ROWS) // 200
    amounts = np.random.default_rng(2).permutation(day["amount"])
    at_one = np.where(merchants == 3, 1e9, amounts)
    of_all = np.where(np.arange(ROWS) % 10 == 3, 1e9, amounts)
    for values, over in ((at_one, False), (of_all, True)):
        (found,) = judged({"amount": values}, trained, users=merchants).measured
        assert found.outside == pytest.approx(0.1)
        assert ("outside" in found.over) == over


def test_few_known_values_are_not_far_from_training_by_chance() -> None:
    """Nine in ten thousand are known in training, ten of the day's thousand: they say little."""
    random = np.random.default_rng(0)

    def rare(rows: int) -> np.ndarray:
        return np.where(random.random(rows) < 0.01, random.exponential(1.0, rows), np.nan)

    column = rare(20_000)
    kept = build_reference(column[:, None], np.zeros(column.size), ["user_tx_count_24h"])
    made = {"user_tx_count_24h": read_reference(kept)["user_tx_count_24h"]}
    over = [
        one.over
        for _ in range(200)
        for one in judged({"user_tx_count_24h": rare(1_000)}, made).measured
    ]
    assert sum("ks" in one for one in over) <= 2
