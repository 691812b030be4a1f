"""From the lake through the Feast online store to a vector: the lake's own features again."""

import asyncio
import math
from datetime import date, timedelta

import polars as pl

from feature_repo.store import apply
from feature_repo.write import write_view, written_as_of
from fraud_platform.clock import HOUR_US, day_start_us, from_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.features.snapshot import merchant_states, user_states
from fraud_platform.features.state import MERCHANT_LABELS, USER_DAILY, USER_RECENT
from fraud_platform.features.table import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.world import FIRST, LAST, make
from serving.online_store import OnlineStore

NEXT = LAST + timedelta(days=1)


def write_state(lake: Lake, midnight: date) -> OnlineStore:
    settings = load_settings()
    apply(settings)
    recent, known = user_states(lake, midnight)
    moment = from_us(day_start_us(midnight))
    write_view(settings, USER_RECENT, recent, moment)
    write_view(settings, USER_DAILY, known, moment)
    merchants = merchant_states(lake, day_start_us(midnight))
    write_view(settings, MERCHANT_LABELS, merchants, moment)
    return OnlineStore(settings.online_store, 5.0)


def test_a_users_first_payment_of_the_day_gets_the_lakes_vector(tables: Lake) -> None:
    store = write_state(tables, LAST)
    offline = tables.read(TRANSACTION_FEATURES, LAST, NEXT)
    rows = tables.read(RAW_TRANSACTIONS, LAST, NEXT).join(
        offline.select("transaction_id", *FEATURE_NAMES), on="transaction_id"
    )
    first = rows.unique("user_id", keep="first", maintain_order=True)
    assert first.height > 30
    exact_rates = 0
    for row in first.iter_rows(named=True):
        reading = asyncio.run(store.read(row["user_id"], row["merchant_id"]))
        assert reading.fault is None
        event = Event(
            timestamp_us=row["timestamp_us"],
            amount_cents=row["amount_cents"],
            device_id=row["device_id"],
        )
        served = dict(zip(FEATURE_NAMES, compute_vector(event, reading.context), strict=True))
        expected = {n: math.nan if row[n] is None else row[n] for n in FEATURE_NAMES}
        # The labels' state is that of midnight: it is exact within the day's first hour, and
        # after it wherever no label of the merchant became known or left the window since.
        rates = served.pop("merchant_fraud_rate"), expected.pop("merchant_fraud_rate")
        assert str(served) == str(expected)
        if row["timestamp_us"] < day_start_us(LAST) + HOUR_US:
            assert rates[0] == rates[1]
        exact_rates += rates[0] == rates[1]
    assert exact_rates > first.height // 3


def test_the_asset_never_sets_the_store_back(tables: Lake) -> None:
    settings = load_settings()
    make(["online_features"], LAST, LAST)
    newest = written_as_of(settings, USER_DAILY)
    make(["online_features"], FIRST, LAST - timedelta(days=3))
    assert newest == written_as_of(settings, USER_DAILY) == from_us(day_start_us(NEXT))


def test_a_merchant_whose_labels_left_the_window_is_forgotten(tables: Lake) -> None:
    late = day_start_us(LAST + timedelta(days=40))
    states = merchant_states(tables, late)
    assert states
    assert all(state.labels == state.frauds == 0 for state in states.values())


def test_a_user_without_recent_payments_is_written_empty(tables: Lake) -> None:
    recent, known = user_states(tables, LAST + timedelta(days=10))
    assert set(recent) == set(known)
    assert all(not state.timestamps_us for state in recent.values())
    raw = tables.read(RAW_TRANSACTIONS, LAST - timedelta(days=18), NEXT)
    last = dict(raw.group_by("user_id").agg(pl.col("timestamp_us").max()).iter_rows())
    assert {user: state.last_timestamp_us for user, state in known.items()} == last
