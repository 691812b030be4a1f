from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fraud_platform.contracts.events import Transaction, amount_cents, timestamp_us
from fraud_platform.simulator import SimulatorConfig, simulate

SMALL = SimulatorConfig(days=12, users=80, merchants=20, transactions_per_day=400, seed=3)
SCHEMA = {
    "transaction_id": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "user_id": pl.String(),
    "merchant_id": pl.String(),
    "device_id": pl.String(),
    "amount": pl.Float64(),
    "is_fraud": pl.Boolean(),
    "fraud_kind": pl.String(),
}


def changed(config: SimulatorConfig, **fields: object) -> SimulatorConfig:
    return msgspec.structs.replace(config, **fields)


def test_the_same_config_gives_the_same_frames() -> None:
    for first, second in zip(simulate(SMALL), simulate(SMALL), strict=True):
        assert_frame_equal(first, second)


def test_another_seed_gives_other_payments() -> None:
    first, second = next(simulate(SMALL)), next(simulate(changed(SMALL, seed=4)))
    assert first["amount"].to_list() != second["amount"].to_list()


def test_a_longer_simulation_begins_with_the_shorter_one() -> None:
    longer = simulate(changed(SMALL, days=40))
    for short, long in zip(simulate(SMALL), longer, strict=False):
        assert_frame_equal(short, long)


def test_a_day_is_the_same_wherever_the_simulation_starts() -> None:
    later = changed(SMALL, start=SMALL.start + timedelta(days=5), days=7)
    for first, second in zip(list(simulate(SMALL))[5:], simulate(later), strict=True):
        assert_frame_equal(first, second)


def test_known_payments_stay_what_they_are() -> None:
    """A change of any draw changes what a seed means, and must be meant."""
    frame = pl.concat(simulate(SMALL))
    assert (frame.height, frame["is_fraud"].sum()) == (4_822, 77)
    assert np.rint(frame["amount"].to_numpy() * 100).sum() == 47_379_461
    assert frame.row(0) == (
        "t20180101-0000001",
        datetime(2018, 1, 1, 0, 13, 54, 248_826, tzinfo=UTC),
        "u000040",
        "m00005",
        "d16700014155945563430",
        153.7,
        False,
        None,
    )


def test_there_is_one_frame_a_day_with_the_promised_columns() -> None:
    frames = list(simulate(SMALL))
    assert len(frames) == SMALL.days
    assert all(dict(frame.schema) == SCHEMA for frame in frames)


def test_a_frame_holds_its_utc_day_sorted_by_time() -> None:
    for index, frame in enumerate(simulate(SMALL)):
        midnight = datetime.combine(SMALL.day(index), datetime.min.time(), UTC)
        assert frame["timestamp"].is_sorted()
        assert frame["timestamp"][0] >= midnight
        assert frame["timestamp"][-1] < midnight + timedelta(days=1)


def test_timestamps_are_to_the_microsecond(month: pl.DataFrame) -> None:
    digits = month["timestamp"].dt.microsecond() % 1_000
    assert digits.n_unique() == 1_000


def test_transaction_ids_are_unique_and_name_the_day(month: pl.DataFrame) -> None:
    assert month["transaction_id"].is_unique().all()
    assert month["transaction_id"][0] == "t20180101-0000001"


def test_only_frauds_have_a_kind_and_nothing_else_is_missing(month: pl.DataFrame) -> None:
    assert (month["fraud_kind"].is_not_null() == month["is_fraud"]).all()
    assert month.drop("fraud_kind").null_count().sum_horizontal().item() == 0


def test_amounts_are_whole_cents_over_zero(month: pl.DataFrame) -> None:
    amount = month["amount"].to_numpy()
    assert amount.min() >= 0.01
    assert (amount == np.rint(amount * 100) / 100).all()


def test_payments_are_what_the_edge_accepts() -> None:
    now_us = 2**60
    for row in next(simulate(SMALL)).iter_rows(named=True):
        payment = msgspec.convert(row, Transaction)
        amount_cents(payment.amount)
        timestamp_us(payment.timestamp, now_us)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("users", "merchants"), [(1_500, 400), (20, 5), (1, 1)])
def test_the_mean_amount_of_a_day_lies_well_inside_what_is_expected(
    seed: int, users: int, merchants: int
) -> None:
    config = SimulatorConfig(days=7, users=users, merchants=merchants, seed=seed)
    for frame in simulate(config):
        assert 60 < frame["amount"].to_numpy().mean() < 150


def test_the_number_of_transactions_is_the_configured_one(month: pl.DataFrame) -> None:
    assert month.height / 35 == pytest.approx(8_000, rel=0.02)


@given(
    config=st.builds(
        SimulatorConfig,
        start=st.dates(date(1970, 1, 1), date(9999, 12, 28)),
        days=st.integers(1, 3),
        users=st.integers(1, 4),
        merchants=st.integers(1, 4),
        transactions_per_day=st.integers(1, 60),
        fraud_share=st.floats(0, 0.5),
        seed=st.integers(0, 2**32 - 1),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_small_world_can_be_simulated(config: SimulatorConfig) -> None:
    frames = list(simulate(config))
    assert len(frames) == config.days
    for index, frame in enumerate(frames):
        assert dict(frame.schema) == SCHEMA
        assert frame.filter(pl.col("timestamp").dt.date() != config.day(index)).is_empty()
        assert frame.filter(pl.col("amount") <= 0).is_empty()
        assert frame["transaction_id"].is_unique().all()


def test_one_user_at_one_merchant_can_be_busy() -> None:
    config = SimulatorConfig(days=1, users=1, merchants=1)
    (frame,) = simulate(config)
    assert frame.height > 5_000
    assert frame["user_id"].n_unique() == frame["merchant_id"].n_unique() == 1


def test_days_without_payments_keep_the_columns() -> None:
    config = SimulatorConfig(days=20, users=1, merchants=1, transactions_per_day=1)
    frames = list(simulate(config))
    assert min(frame.height for frame in frames) == 0
    assert all(dict(frame.schema) == SCHEMA for frame in frames)
