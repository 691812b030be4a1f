"""A worker on a real broker and stores: what it writes is what the lake would say."""

from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from msgspec.structs import replace

from fraud_platform.commands.online import recognisable
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Settings, load_settings
from fraud_platform.stream.streamed import Streamed
from fraud_platform.stream.worker import stream
from fraud_platform_tests.followers import transaction
from fraud_platform_tests.kafka_broker import Record, Topics
from fraud_platform_tests.stream.conftest import begin
from fraud_platform_tests.stream.states import from_lake, in_store, payments
from fraud_platform_tests.stream.test_habits import bits

USERS = [f"u{n}" for n in range(7)]


def to_end(settings: Settings, **changes: object) -> Streamed:
    settings = replace(settings, stream=replace(settings.stream, **changes))
    return stream(settings, Event(), until_caught_up=True)


def by_user(sent: list[dict[str, object]]) -> list[Record]:
    return [Record(one, key=str(one["user_id"]).encode()) for one in sent]


def same(settings: Settings, sent: list[dict[str, object]]) -> None:
    expected = from_lake(sent)
    found = in_store(settings, expected)
    assert {u: bits(s) for u, s in found.items()} == {u: bits(s) for u, s in expected.items()}


def test_what_the_stream_leaves_is_what_a_rebuild_from_the_lake_makes(
    topics: Topics, each_store: Settings
):
    sent = payments(300)
    topics.produce("transactions", by_user(sent))
    done = to_end(each_store, batch_records=40)
    assert (done.events, done.duplicates, done.skipped) == (300, 0, {})
    assert done.batches >= 8
    assert set(done.lag.values()) == {0}
    same(each_store, sent)


def test_two_producers_in_reversed_order_give_the_same_and_again_nothing(
    topics: Topics, each_store: Settings
):
    sent = payments(120)
    for one in range(2):  # each in its own order; the users' records lie in any partition
        topics.produce("transactions", [Record(p) for p in reversed(sent[one::2])])
    assert to_end(each_store, batch_records=25).events == 120
    same(each_store, sent)
    before = in_store(each_store, USERS)
    again = to_end(each_store, group=f"{each_store.stream.group}-again")
    assert (again.events, again.duplicates) == (0, 120)
    assert {u: bits(s) for u, s in in_store(each_store, USERS).items()} == {
        u: bits(s) for u, s in before.items()
    }
    topics.produce("transactions", by_user(sent))
    assert to_end(each_store).duplicates == 120
    same(each_store, sent)


def test_what_the_contract_refuses_is_counted_and_does_not_hold_up_a_user(
    topics: Topics, each_store: Settings
):
    now = datetime.now(UTC)
    tomorrow = {"timestamp": (now + timedelta(days=1)).isoformat()}
    yesterday_ms = int((now - timedelta(days=2)).timestamp() * 1000)
    sent = payments(14)
    refused = [
        b"\xff\x00 no JSON",
        b"",
        Record(None, key=b"u0"),
        {**transaction(1), "amount": "12.5"},
        {**transaction(2), "amount": -1},
        {**transaction(3), **tomorrow},
        # As it will be found the day after tomorrow: past by the clock, not by its record.
        Record(transaction(4, user_id="u0"), timestamp_ms=yesterday_ms),
    ]
    records = [one if isinstance(one, Record) else Record(one) for one in refused]
    topics.produce("transactions", [*records, *by_user(sent)])
    done = to_end(each_store)
    assert done.events == 14
    assert done.skipped == {"invalid": 4, "type_changed": 1, "future": 2}
    same(each_store, sent)


def test_it_goes_on_where_the_group_stands(topics: Topics, each_store: Settings):
    topics.produce("transactions", by_user(payments(30)))
    assert to_end(each_store).events == 30
    topics.produce("transactions", by_user(payments(10, first=30)))
    done = to_end(each_store)
    assert (done.events, done.duplicates, done.rereads) == (10, 0, 0)


def test_a_new_group_begins_with_the_records_of_the_last_days(topics: Topics, each_store: Settings):
    old = datetime.now(UTC) - timedelta(days=5)
    stamp = int(old.timestamp() * 1000)
    lost = transaction(1, timestamp=old.isoformat())
    topics.produce("transactions", [Record(lost, partition=0, timestamp_ms=stamp)])
    topics.produce("transactions", [Record(transaction(2), partition=0)])
    done = to_end(each_store)
    assert (done.events, done.duplicates) == (1, 0)


def test_the_view_of_an_empty_store_begins_with_the_first_records(
    topics: Topics, each_store: Settings
):
    topics.produce("transactions", [b"no payment"])
    assert to_end(each_store).events == 0
    with open_store(each_store) as store:
        assert store.written_as_of(VIEWS[0]) is None
    topics.produce("transactions", by_user(payments(20)))
    assert to_end(each_store).events == 20
    with open_store(each_store) as store:
        begun = store.written_as_of(VIEWS[0])
    assert begun is not None
    assert datetime.now(UTC) - begun < timedelta(minutes=1)


def test_what_came_since_a_rebuild_is_read_again(topics: Topics, each_store: Settings):
    """A rebuild writes what the lake has, which is behind the topic, over newer rows."""
    sent = payments(40)
    topics.produce("transactions", by_user(sent))
    assert to_end(each_store).events == 40
    begin(each_store)
    with open_store(each_store) as store:
        empty = dict.fromkeys(USERS, VIEWS[0].empty)
        store.write(VIEWS[0], empty, datetime.now(UTC))
    done = to_end(each_store)
    assert (done.events, done.rereads) == (40, 1)
    same(each_store, sent)
    assert to_end(each_store).rereads == 0


def test_two_rebuilds_of_one_day_are_two_to_a_worker(each_store: Settings):
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    first, second = (recognisable(each_store, VIEWS[0], midnight) for _ in range(2))
    assert midnight <= first != second < midnight + timedelta(seconds=1)
    assert recognisable(each_store, VIEWS[1], midnight) == midnight
    assert recognisable(Settings(), VIEWS[0], midnight) == midnight


def test_it_refuses_to_be_a_second_writer(topics: Topics, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PREDICTFLOW_ONLINE_RECENT_BY", raising=False)
    with pytest.raises(PredictFlowError, match=r"online\.recent_by: .* two writers would"):
        stream(load_settings(), Event())


def test_a_row_of_other_features_is_named_with_the_mend(topics: Topics, each_store: Settings):
    fields = {name: kind for name, kind in VIEWS[0].fields.items() if name != "device_hashes"}
    older = changed(VIEWS[0], fields=fields)
    with open_store(each_store) as store:
        store.write(older, {"u0": older.empty}, datetime.now(UTC))
    topics.produce("transactions", by_user(payments(7)))
    with pytest.raises(PredictFlowError, match=r"lacks device_hashes.*predictflow online rebuild"):
        to_end(each_store)
