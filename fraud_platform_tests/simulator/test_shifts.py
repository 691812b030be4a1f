"""A world that changes its ways: nothing before the day, and from it on what was asked for."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fraud_platform.clock import DAY_US
from fraud_platform.errors import PredictFlowError
from fraud_platform.simulator import Shift, SimulatorConfig, simulate

ON = date(2026, 3, 8)
BEFORE = (ON - date(2026, 3, 1)).days


WORLD = SimulatorConfig(start=date(2026, 3, 1), days=14, users=300, transactions_per_day=1_000)


def world(shift: Shift) -> list[pl.DataFrame]:
    return list(simulate(msgspec.structs.replace(WORLD, shift=shift)))


@pytest.fixture(scope="module")
def old() -> list[pl.DataFrame]:
    return list(simulate(WORLD))


@pytest.fixture(scope="module")
def new() -> list[pl.DataFrame]:
    return world(Shift(on=ON))


def honest(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Honest payments from the shift on, in an order that no hour moves."""
    found = pl.concat(frames[BEFORE:]).filter(~pl.col("is_fraud"))
    return found.with_columns(day=pl.col("timestamp").dt.date())


def takeovers(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).filter(pl.col("fraud_kind") == "night_takeover")


def test_the_days_before_the_shift_are_those_of_a_world_without_it(
    old: list[pl.DataFrame], new: list[pl.DataFrame]
) -> None:
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        if index < BEFORE:
            assert_frame_equal(one, other)
        else:
            assert not one.equals(other)


def test_a_shift_that_changes_nothing_gives_the_world_without_it(old: list[pl.DataFrame]) -> None:
    same = world(Shift(on=ON, amounts=1, hours_later=0, new_fraud_share=0))
    for one, other in zip(old, same, strict=True):
        assert_frame_equal(one, other)


def test_a_day_is_the_same_wherever_the_simulation_starts(new: list[pl.DataFrame]) -> None:
    later = msgspec.structs.replace(WORLD, start=ON + timedelta(days=2), shift=Shift(on=ON))
    assert_frame_equal(next(simulate(later)), new[BEFORE + 2])


def test_the_other_frauds_stay_as_they_are(
    old: list[pl.DataFrame], new: list[pl.DataFrame]
) -> None:
    known = pl.col("is_fraud") & (pl.col("fraud_kind") != "night_takeover")
    one, other = (pl.concat(frames).filter(known).drop("transaction_id") for frames in (old, new))
    assert_frame_equal(one, other)


def test_honest_amounts_rise_by_what_was_asked_for(
    old: list[pl.DataFrame], new: list[pl.DataFrame]
) -> None:
    before, after = (honest(frames)["amount"].to_numpy() for frames in (old, new))
    assert after.size == before.size
    assert after.sum() == pytest.approx(1.4 * before.sum(), rel=1e-4)


def test_honest_payments_are_made_later_and_stay_in_their_day(old: list[pl.DataFrame]) -> None:
    later = honest(world(Shift(on=ON, amounts=1, hours_later=3, new_fraud_share=0)))
    midnight = pl.col("day").cast(pl.Datetime("us", "UTC"))
    since = (pl.col("timestamp") + pl.duration(hours=3) - midnight).dt.total_microseconds()
    moved = honest(old).with_columns(timestamp=midnight + pl.duration(microseconds=since % DAY_US))
    key = ["timestamp", "user_id", "merchant_id", "amount"]
    assert_frame_equal(later.select(key).sort(key), moved.select(key).sort(key))


def test_the_new_fraud_comes_at_night_from_known_devices_for_two_to_four_times_the_habit(
    old: list[pl.DataFrame], new: list[pl.DataFrame]
) -> None:
    found = takeovers(new)
    assert takeovers(new[:BEFORE]).height == takeovers(old).height == 0
    assert found.height == pytest.approx(0.02 * 1_000 * (14 - BEFORE), rel=0.3)
    assert found["is_fraud"].all()
    assert found["timestamp"].dt.hour().is_between(2, 4).all()
    usual = pl.concat(old).filter(~pl.col("is_fraud"))
    devices = usual.select("user_id", "device_id").unique()
    known = found.join(devices, on=["user_id", "device_id"], how="semi").height
    assert known > 0.75 * found.height  # of the rest the user paid with another one these days
    of_both = ["user_id", "merchant_id"]
    habit = usual.group_by(of_both).agg(pl.len(), habit=pl.col("amount").mean())
    times = found.join(habit.filter(pl.col("len") >= 5), on=of_both).select(
        pl.col("amount") / pl.col("habit")
    )
    assert 2 < np.median(times.to_numpy()) < 4


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("on", "2026-03-08", "'2026-03-08' is not a date; give one such as date(2018, 1, 1)"),
        ("on", datetime(2026, 3, 8), "is not a date"),  # noqa: DTZ001
        ("amounts", 0, "0 is not from 0.01 to 100; give a number from 0.01 to 100, such as 1.4"),
        ("amounts", float("nan"), "nan is not from 0.01 to 100"),
        ("amounts", "2", "'2' is not from 0.01 to 100"),
        ("hours_later", -1, "-1 is not from 0 to 24; give a number from 0 to 24, such as 3"),
        ("hours_later", 25.0, "25.0 is not from 0 to 24"),
        ("new_fraud_share", 0.6, "0.6 is not a share of the transactions; give a number from 0"),
        ("new_fraud_share", True, "True is not a share of the transactions"),
    ],
)
def test_a_shift_out_of_range_is_named_with_its_value_and_the_mend(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(PredictFlowError) as error:
        Shift(**{"on": ON, field: value})
    assert str(error.value).startswith(f"simulator field shift.{field}: ")
    assert message in str(error.value)


def test_what_is_no_shift_is_refused() -> None:
    with pytest.raises(PredictFlowError, match=r"field shift: True is not a Shift; give Shift\("):
        SimulatorConfig(shift=True)  # pyright: ignore[reportArgumentType]
