"""Honest payments: rhythms, habits, and the oddities that look like fraud."""

import numpy as np
import polars as pl


def test_the_evening_is_busier_than_the_night(honest: pl.DataFrame) -> None:
    by_hour = np.bincount(honest["timestamp"].dt.hour().to_numpy(), minlength=24)
    assert by_hour[16:20].mean() > 4 * by_hour[1:5].mean()
    assert by_hour.min() > 0


def test_the_week_has_a_rhythm(honest: pl.DataFrame) -> None:
    counts = honest.group_by(pl.col("timestamp").dt.weekday().alias("weekday")).len()
    by_weekday = dict(counts.iter_rows())
    assert by_weekday[6] > 1.3 * by_weekday[7]
    assert by_weekday[5] > 1.15 * by_weekday[2]


def test_weekends_start_later(honest: pl.DataFrame) -> None:
    weekend = pl.col("timestamp").dt.weekday() >= 6
    morning = pl.col("timestamp").dt.hour().is_between(5, 9)
    shares = dict(honest.group_by(weekend.alias("weekend")).agg(morning.mean()).iter_rows())
    assert shares[False] > 1.1 * shares[True]


def test_users_differ_in_activity_amounts_and_hours(honest: pl.DataFrame) -> None:
    users = honest.group_by("user_id").agg(
        pl.len(), pl.col("amount").median(), night=(pl.col("timestamp").dt.hour() < 6).mean()
    )
    often = users.filter(pl.col("len") >= 50)
    for habit in ("len", "amount", "night"):
        low, high = np.quantile(often[habit], [0.05, 0.95])
        assert high > 2.5 * low


def test_users_come_back_to_their_favourite_merchants(honest: pl.DataFrame) -> None:
    top = pl.col("len").top_k(8).sum() / pl.col("len").sum()
    visits = honest.group_by("user_id", "merchant_id").len()
    active = visits.filter(pl.col("len").sum().over("user_id") >= 50)
    own = active.group_by("user_id").agg(share=top).select(pl.col("share").mean()).item()
    shared = honest.group_by("merchant_id").len().select(top).item()
    assert own > 1.5 * shared


def test_few_merchants_have_most_of_the_traffic(honest: pl.DataFrame) -> None:
    counts = honest["merchant_id"].value_counts(sort=True)["count"]
    assert 0.3 < counts.head(40).sum() / honest.height < 0.8


def test_users_have_one_to_three_devices_that_are_seldom_replaced(honest: pl.DataFrame) -> None:
    used = honest.group_by("user_id", "device_id").len().filter(pl.col("len") > 5)
    devices = used.group_by("user_id").len()["len"].to_numpy()
    assert 1.2 < devices.mean() < 2.5
    assert devices.max() <= 6


def test_a_new_device_is_at_times_honest(honest: pl.DataFrame) -> None:
    share = honest.filter(pl.col("day") >= 20)["device_new"].to_numpy().mean()
    assert 0.002 < share < 0.02


def test_honest_users_at_times_spend_far_above_their_habit(honest: pl.DataFrame) -> None:
    above = pl.col("amount") / pl.col("amount").median().over("user_id", "merchant_id")
    regular = honest.filter(pl.len().over("user_id", "merchant_id") >= 20)
    share = regular.select((above > 6).mean()).item()
    assert 0.001 < share < 0.02


def test_honest_users_at_times_pay_small_amounts_in_bursts(honest: pl.DataFrame) -> None:
    small = honest.filter(pl.col("amount") < 9).sort("user_id", "timestamp")
    fourth = pl.col("timestamp") - pl.col("timestamp").shift(3).over("user_id")
    bursts = small.filter(fourth < pl.duration(minutes=10))
    assert bursts["user_id"].n_unique() > 20
