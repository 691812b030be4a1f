"""Each kind of fraud shows what it is known by."""

from datetime import timedelta

import polars as pl
import pytest

from fraud_platform.simulator import SimulatorConfig, simulate
from fraud_platform.simulator.compromises import COMPROMISE_DAYS, active_compromises
from fraud_platform.simulator.population import draw_population

KINDS = ("stolen_card", "small_burst", "compromised_merchant", "large_amount")


def of_kind(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    return frame.filter(pl.col("fraud_kind") == kind)


def spells(frauds: pl.DataFrame) -> pl.DataFrame:
    """One row for each user's frauds that lie less than ten hours apart."""
    gap = pl.col("timestamp").diff().over("user_id") > pl.duration(hours=10)
    return (
        frauds.sort("user_id", "timestamp")
        .with_columns(spell=gap.fill_null(value=False).cum_sum().over("user_id"))
        .group_by("user_id", "spell")
        .agg(
            pl.len(),
            pl.col("amount").max(),
            pl.col("device_new").sum(),
            pl.col("device_id").n_unique().alias("devices"),
            pl.col("merchant_id").n_unique().alias("merchants"),
            length=pl.col("timestamp").max() - pl.col("timestamp").min(),
        )
    )


@pytest.mark.parametrize("share", [0.005, 0.01, 0.1, 0.5])
def test_the_share_of_fraud_is_near_the_configured_one(share: float) -> None:
    config = SimulatorConfig(days=35, transactions_per_day=4_000, fraud_share=share, seed=5)
    frames = pl.concat(simulate(config))
    assert frames["is_fraud"].to_numpy().mean() == pytest.approx(share, rel=0.2)


def test_without_a_fraud_share_there_is_no_fraud() -> None:
    frames = pl.concat(simulate(SimulatorConfig(days=30, fraud_share=0.0)))
    assert not frames["is_fraud"].any()


def test_every_kind_is_a_good_part_of_the_frauds(month: pl.DataFrame) -> None:
    counts = dict(month["fraud_kind"].drop_nulls().value_counts().iter_rows())
    assert set(counts) == set(KINDS)
    assert min(counts.values()) > 0.1 * sum(counts.values())


def test_a_stolen_card_is_used_for_hours_from_new_devices(month: pl.DataFrame) -> None:
    stolen = spells(of_kind(month, "stolen_card"))
    whole = stolen.filter(pl.col("len").is_between(3, 9))
    assert whole.height > 0.9 * stolen.height
    assert (whole["device_new"] == whole["devices"]).all()
    length = pl.col("length")
    assert whole.select(length.max()).item() < timedelta(hours=8)
    assert whole.select(length.median()).item() > timedelta(hours=1)


def test_a_stolen_card_is_used_above_the_habit(month: pl.DataFrame, honest: pl.DataFrame) -> None:
    habit = honest.group_by("user_id").agg(habit=pl.col("amount").mean())
    stolen = of_kind(month, "stolen_card").join(habit, on="user_id")
    assert stolen.select((pl.col("amount") / pl.col("habit")).median()).item() > 2


def test_a_stolen_card_is_used_at_unusual_merchants(
    month: pl.DataFrame, honest: pl.DataFrame
) -> None:
    usual = honest.select("user_id", "merchant_id").unique()
    stolen = of_kind(month, "stolen_card")
    elsewhere = stolen.join(usual, on=["user_id", "merchant_id"], how="anti")
    assert elsewhere.height > 0.5 * stolen.height


def test_a_small_burst_is_many_small_charges_in_minutes(month: pl.DataFrame) -> None:
    bursts = spells(of_kind(month, "small_burst"))
    assert bursts.height > 20
    assert bursts.select(pl.col("amount").max()).item() <= 6
    whole = bursts.filter(pl.col("len").is_between(6, 16))
    assert whole.height > 0.9 * bursts.height
    assert whole.select(pl.col("length").max()).item() <= timedelta(minutes=10)
    assert (whole["device_new"] == 1).all()
    assert (whole["merchants"] == 1).all()


def test_a_large_amount_is_single_and_far_above_the_habit(
    month: pl.DataFrame, honest: pl.DataFrame
) -> None:
    habit = honest.group_by("user_id").agg(habit=pl.col("amount").mean())
    large = of_kind(month, "large_amount").join(habit, on="user_id")
    assert large.select((pl.col("amount") / pl.col("habit")).median()).item() > 8
    assert spells(large)["len"].median() == 1


def test_a_large_amount_comes_from_the_own_device_at_times(month: pl.DataFrame) -> None:
    assert 0.5 < of_kind(month, "large_amount")["device_new"].to_numpy().mean() < 0.8


def test_a_compromised_merchant_has_a_high_share_of_fraud_while_it_lasts(
    month: pl.DataFrame,
) -> None:
    there = pl.col("fraud_kind") == "compromised_merchant"
    days = month.group_by("merchant_id", "day").agg(pl.len(), frauds=there.sum())
    hit = days.filter(pl.col("frauds") > 0)
    assert 0.3 < hit.select(pl.col("frauds").sum() / pl.col("len").sum()).item() < 0.75


def test_frauds_at_a_compromised_merchant_have_ordinary_amounts(
    month: pl.DataFrame, honest: pl.DataFrame
) -> None:
    usual = honest.group_by("merchant_id").agg(usual=pl.col("amount").median())
    there = of_kind(month, "compromised_merchant").join(usual, on="merchant_id")
    assert 0.7 < there.select((pl.col("amount") / pl.col("usual")).median()).item() < 1.4


def test_a_merchant_stays_compromised_for_longer_than_labels_take() -> None:
    config = SimulatorConfig(days=120, seed=2)
    population = draw_population(config)
    lasted: dict[tuple[int, float], list[int]] = {}
    for index in range(config.days):
        active = active_compromises(config, population, config.day(index))
        for key in zip(active.merchant.tolist(), active.frauds_per_day.tolist(), strict=True):
            lasted.setdefault(key, []).append(index)
    whole = [d for d in lasted.values() if d[0] > 0 and d[-1] < config.days - 1]
    low, high = COMPROMISE_DAYS
    assert len(whole) > 10
    assert low > 7
    assert all(low <= len(days) <= high for days in whole)
    assert all(days == list(range(days[0], days[-1] + 1)) for days in whole)


def test_there_is_a_compromised_merchant_even_in_a_small_world() -> None:
    config = SimulatorConfig(users=50, merchants=1, transactions_per_day=500)
    population = draw_population(config)
    for index in range(60):
        assert len(active_compromises(config, population, config.day(index)).merchant) >= 1


def test_what_is_done_with_a_card_goes_on_past_midnight(month: pl.DataFrame) -> None:
    late = of_kind(month, "stolen_card").sort("user_id", "timestamp")
    gap = pl.col("timestamp").diff().over("user_id") < pl.duration(hours=3)
    over_midnight = pl.col("day").diff().over("user_id") == 1
    device = pl.col("device_id") == pl.col("device_id").shift().over("user_id")
    assert late.filter(gap & over_midnight & device).height > 5


def test_frauds_come_at_night_more_often_than_honest_payments(month: pl.DataFrame) -> None:
    night = pl.col("timestamp").dt.hour() < 6
    shares = dict(month.group_by("is_fraud").agg(night.mean()).iter_rows())
    assert shares[True] > 2 * shares[False]
