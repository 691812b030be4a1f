"""Both stores keep what is written, tell what is missing, and refuse what cannot be."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import redis

from fraud_platform.features.state import VIEWS, View
from fraud_platform.online import open_store, redis_store, sqlite_store
from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.settings import Settings
from fraud_platform_tests.online.rows import EVERY_VIEW, FLOATS, a_state, odd_rows

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
USERS = [view for view in VIEWS if view.entity == "user"]
(MERCHANTS, *_) = [view for view in VIEWS if view.entity == "merchant"]
RECENT = VIEWS[0]


@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.name)
def test_what_is_written_is_read(settings: Settings, view: View) -> None:
    rows = odd_rows(view)
    with open_store(settings) as store:
        store.write(view, rows, AS_OF)

        assert store.read([view], [*rows]) == [{view.name: state} for state in rows.values()]


def test_nan_is_kept(settings: Settings) -> None:
    state = {"as_of_us": 1, "days": [1], "scores": [float("nan")]}
    with open_store(settings) as store:
        store.write(FLOATS, {"u": state}, AS_OF)

        assert repr(store.read([FLOATS], ["u"])) == repr([{"user_floats": state}])


def test_views_of_one_entity_are_read_together_and_an_absent_row_is_empty(
    settings: Settings,
) -> None:
    one, other = USERS[:2]
    with open_store(settings) as store:
        store.write(one, {"a": a_state(one)}, AS_OF)
        store.write(other, {"b": a_state(other)}, AS_OF)

        found = store.read([one, other], ["a", "b", "stranger", "a"])

    assert found == [
        {one.name: a_state(one), other.name: other.empty},
        {one.name: one.empty, other.name: a_state(other)},
        {one.name: one.empty, other.name: other.empty},
        {one.name: a_state(one), other.name: other.empty},
    ]


def test_the_views_of_users_and_merchants_are_not_read_by_the_same_ids(settings: Settings) -> None:
    with open_store(settings) as store, pytest.raises(ValueError, match="not of one entity"):
        store.read([RECENT, MERCHANTS], ["a"])


def test_contexts_pair_users_with_merchants_in_their_order(settings: Settings) -> None:
    users, merchants = ["u2", "stranger", "u1", "u2"], ["m1", "m1", "stranger", "m2"]
    rows = {view.name: {f"{view.entity[0]}{i}": a_state(view, i) for i in (1, 2)} for view in VIEWS}
    with open_store(settings) as store:
        for view in VIEWS:
            store.write(view, rows[view.name], AS_OF)

        found = store.contexts(users, merchants)

    ids = {"user": users, "merchant": merchants}
    assert found == [
        {view.name: rows[view.name].get(ids[view.entity][i], view.empty) for view in VIEWS}
        for i in range(4)
    ]


def test_a_store_of_nothing_has_no_rows_and_was_not_written(settings: Settings) -> None:
    with open_store(settings) as store:
        assert store.read([RECENT], ["a", "b"]) == [{RECENT.name: RECENT.empty}] * 2
        assert store.contexts([], []) == []
        assert store.written_as_of(RECENT) is None


def test_a_row_replaces_the_one_of_its_view_and_leaves_the_others(settings: Settings) -> None:
    one, other = USERS[:2]
    with open_store(settings) as store:
        store.write(one, {"a": a_state(one, 1), "b": a_state(one, 1)}, AS_OF)
        store.write(other, {"a": a_state(other, 1)}, AS_OF)
        # An older moment too: the writer says what holds.
        store.write(one, {"a": a_state(one, 2, length=1)}, AS_OF - timedelta(days=1))

        found = store.read([one, other], ["a", "b"])

    assert found == [
        {one.name: a_state(one, 2, length=1), other.name: a_state(other, 1)},
        {one.name: a_state(one, 1), other.name: other.empty},
    ]


def test_more_rows_than_a_batch_are_written_and_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BATCH", 10)
    monkeypatch.setattr(sqlite_store, "_IDS", 10)
    monkeypatch.setattr(redis_store, "BATCH", 10)
    rows = {f"m{i}": a_state(MERCHANTS, i) for i in range(25)}
    told: list[tuple[int, int]] = []
    with open_store(settings) as store:
        store.write(MERCHANTS, rows, AS_OF, lambda *step: told.append(step))

        found = store.read([MERCHANTS], [*rows])

    assert told == [(10, 25), (20, 25), (25, 25)]
    assert [one[MERCHANTS.name] for one in found] == [*rows.values()]


def test_a_view_counts_as_written_once_the_whole_of_it_was(settings: Settings) -> None:
    elsewhere = AS_OF.astimezone(timezone(timedelta(hours=-8))) + timedelta(microseconds=1)
    with open_store(settings) as store:
        store.write(RECENT, {"a": a_state(RECENT)}, AS_OF, whole=False)
        assert store.written_as_of(RECENT) is None
        store.write(RECENT, {}, AS_OF)
        assert store.written_as_of(RECENT) is None
        store.write(RECENT, {"a": a_state(RECENT)}, elsewhere)
        assert store.written_as_of(RECENT) == elsewhere
        store.write(RECENT, {"a": a_state(RECENT)}, AS_OF + timedelta(days=1), whole=False)
        assert store.written_as_of(RECENT) == elsewhere
        store.write(RECENT, {}, AS_OF + timedelta(days=1))
        assert store.written_as_of(RECENT) == AS_OF + timedelta(days=1)
        assert store.written_as_of(MERCHANTS) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"surplus": 1}, "expected timestamps_us"),
        ({"amounts_cents": [1]}, "amounts_cents 1"),
        ({"amounts_cents": 1}, "amounts_cents is 1; expected int64_list"),
        ({"amounts_cents": [1, 2, 2**63]}, "amounts_cents is .* expected int64_list"),
        ({"amounts_cents": [1, 2, "3"]}, "amounts_cents is .* expected int64_list"),
    ],
    ids=["surplus field", "lengths", "no list", "too large", "text"],
)
def test_a_state_that_is_not_the_views_is_refused(
    settings: Settings, change: dict[str, Any], said: str
) -> None:
    with open_store(settings) as store:
        with pytest.raises(ValueError, match=f"view user_recent.*{said}"):
            store.write(RECENT, {"a": {**a_state(RECENT), **change}}, AS_OF)

        assert store.written_as_of(RECENT) is None
        assert store.read([RECENT], ["a"]) == [{RECENT.name: RECENT.empty}]


def test_an_as_of_without_a_zone_is_refused(settings: Settings) -> None:
    with open_store(settings) as store, pytest.raises(ValueError, match="no time zone"):
        store.write(RECENT, {}, datetime(2024, 3, 1))  # noqa: DTZ001


def test_a_half_written_row_is_told_and_not_read(settings: Settings) -> None:
    with open_store(settings) as store:
        store.write(RECENT, {"a": a_state(RECENT)}, AS_OF)
        store.write(MERCHANTS, {"m": a_state(MERCHANTS)}, AS_OF)
        lose_field(settings, RECENT, "a", "amounts_cents")

        with pytest.raises(ValueError, match="user_recent: a row lacks amounts_cents; it was half"):
            store.contexts(["a"], ["m"])
        assert store.read([MERCHANTS], ["m"]) == [{MERCHANTS.name: a_state(MERCHANTS)}]


def lose_field(settings: Settings, view: View, entity_id: str, field: str) -> None:
    """Takes one value out of a row behind the store's back."""
    if settings.online.store == "redis":
        with redis.Redis.from_url(settings.online.redis_url.reveal()) as client:
            name = redis_fields(view)[[*view.fields].index(field)]
            key = redis_key(view.join_key, entity_id)
            assert client.execute_command("HDEL", key, name) == 1
        return
    with closing(sqlite3.connect(settings.online_store)) as connection, connection:
        statement = f'DELETE FROM "{view.table}" WHERE feature_name = ?'
        assert connection.execute(statement, [field]).rowcount == 1
