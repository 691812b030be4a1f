"""From the lake through the online store to a vector: the lake's own features again."""

from datetime import date, timedelta

import pytest

from feature_repo.write import written_as_of
from fraud_platform.clock import day_start_us, from_us
from fraud_platform.commands.online import rebuild
from fraud_platform.commands.parity import parity
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.state import VIEWS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.online import open_store
from fraud_platform.settings import load_settings
from fraud_platform_tests.valkey_server import Valkey
from fraud_platform_tests.world import FIRST, LAST, make

END = LAST + timedelta(days=1)
DAILY = [view for view in VIEWS if not view.name.endswith("_labels")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_replaying_days_gives_the_lakes_bits(tables: Lake, jobs: int) -> None:
    found = parity(load_settings(), LAST - timedelta(days=3), END, jobs)
    days = tables.read(TRANSACTION_FEATURES, LAST - timedelta(days=3), END)
    assert found.vectors == days.height > 400
    assert found.by_feature == {}


def test_a_differing_bit_is_found_and_named(tables: Lake) -> None:
    day = tables.read(TRANSACTION_FEATURES, LAST, END)
    wrong = day.with_columns(user_age=day["user_age"] + 1e-6)
    tables.replace_days(TRANSACTION_FEATURES, LAST, END, wrong)
    found = parity(load_settings(), LAST, END)
    assert found.differing == found.by_feature["user_age"] == day["user_age"].count()
    assert {one["feature"] for one in found.first} == {"user_age"}


def test_days_without_features_are_refused_by_name(tables: Lake) -> None:
    with pytest.raises(PredictFlowError, match="materialize transaction_features") as refusal:
        parity(load_settings(), END, END + timedelta(days=2))
    assert str(END) in str(refusal.value)


def test_parity_on_redis_leaves_the_database_as_it_was(
    tables: Lake, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTFLOW_ONLINE_STORE", "redis")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_REDIS_URL", valkey.url)
    rebuild(load_settings(), from_us(day_start_us(END)))
    with pytest.raises(PredictFlowError, match="holds something"):
        parity(load_settings(), LAST, END, database=0)
    found = parity(load_settings(), LAST, END, database=7)
    assert (found.vectors > 100, found.differing) == (True, 0)
    assert parity(load_settings(), LAST, END, database=7).differing == 0


def test_the_asset_never_sets_the_store_back(tables: Lake) -> None:
    settings = load_settings()
    make(["online_features"], LAST, LAST)
    make(["online_features"], FIRST, LAST - timedelta(days=3))
    assert {written_as_of(settings, view) for view in DAILY} == {from_us(day_start_us(END))}


def test_the_asset_leaves_recent_events_to_the_stream(
    tables: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "stream")
    make(["online_features"], LAST, LAST)
    there = {view.name: written_as_of(load_settings(), view) is not None for view in DAILY}
    assert there == {"user_recent": False, "user_daily": True, "merchant_daily": True}


def test_a_rebuilt_store_is_what_it_was(tables: Lake) -> None:
    settings, moment = load_settings(), from_us(day_start_us(END))
    first = rebuild(settings, moment)
    assert all(first.rows.values())
    before = stored(tables)
    settings.online_store.unlink()
    assert rebuild(settings, moment).rows == first.rows
    assert stored(tables) == before


def test_labels_of_a_day_that_is_not_made_yet_are_taken_as_they_landed(landed: Lake) -> None:
    make(["raw_transactions", "daily_tiles", "transaction_habits"], FIRST, LAST)
    labels = ["transaction_labels", "label_tiles"]
    make(labels, FIRST, LAST - timedelta(days=2))
    as_of_us = day_start_us(END) - 1
    early = [rows for _, rows in OnlineState(landed, CATALOGUE).of_labels(as_of_us, 60)]
    make(labels, FIRST, LAST)
    late = [rows for _, rows in OnlineState(landed, CATALOGUE).of_labels(as_of_us, 60)]
    assert len(early) == 1
    for found, expected in zip(early, late, strict=True):
        assert found.equals(expected)


def test_long_after_the_last_label_nothing_is_known_of_anybody(tables: Lake) -> None:
    later = day_start_us(END + timedelta(days=90))
    ((_, rows),) = OnlineState(tables, CATALOGUE).of_labels(later, 60)
    assert rows.is_empty()


def test_nothing_to_rebuild_from_is_told(landed: Lake) -> None:
    with pytest.raises(PredictFlowError, match="no day of transaction_habits"):
        rebuild(load_settings())


def stored(lake: Lake) -> dict[str, list]:
    """Every user's and merchant's state in the store."""
    raw = lake.read(TRANSACTION_FEATURES, date(2020, 1, 1), date(2030, 1, 1))
    ids = {f"{e}_id": sorted(raw[f"{e}_id"].unique()) for e in ("user", "merchant")}
    with open_store(load_settings()) as store:
        return {view.name: store.read([view], ids[view.join_key]) for view in VIEWS}
