"""Rows 3, 8, 13 and 14 for the stream worker: killed, put out, without its store or its broker."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.online.feast_format import redis_key
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.followers import Follower, transaction, wait_until
from fraud_platform_tests.kafka_broker import OwnBrokers, Record, Topics, new_topics
from fraud_platform_tests.stream.conftest import begin, store_of_our_own, stream_writes
from fraud_platform_tests.stream.states import from_lake, hashes, in_store, payments
from fraud_platform_tests.stream.test_habits import bits
from fraud_platform_tests.valkey_server import Valkey

__all__ = ["store_of_our_own", "stream_writes"]
USERS = [f"u{n}" for n in range(7)]


def worker(folder: Path, name: str = "worker", *options: str, **environ: str) -> Follower:
    return Follower("stream", *options, log=folder / name, **environ)


def by_user(sent: list[dict[str, object]]) -> list[Record]:
    return [Record(one, key=str(one["user_id"]).encode()) for one in sent]


def wait_for_events(settings: Settings, count: int, *followers: Follower) -> None:
    wait_until(lambda: hashes(settings, USERS) == count, f"{count} events are there", *followers)


def same(settings: Settings, sent: list[dict[str, object]]) -> None:
    expected = from_lake(sent)
    found = in_store(settings, expected)
    assert {u: bits(s) for u, s in found.items()} == {u: bits(s) for u, s in expected.items()}


def test_a_worker_that_is_killed_goes_on_where_it_stood(
    topics: Topics, store_of_our_own: Valkey, tmp_path: Path
):
    settings, sent = load_settings(), payments(1_500)
    topics.produce("transactions", by_user(sent[:1_000]))
    small = {"PREDICTFLOW_STREAM_BATCH_RECORDS": "50"}
    first = worker(tmp_path, "first", **small)
    wait_until(lambda: hashes(settings, USERS) > 300, "it is in the midst of it", first)
    first.kill()
    assert hashes(settings, USERS) < 1_000
    topics.produce("transactions", by_user(sent[1_000:]))
    second = worker(tmp_path, "second", **small)
    wait_for_events(settings, 1_500, second)
    done = second.stop()
    assert 0 < done["events"] < 1_400
    assert done["duplicates"] <= 50 * 3
    same(settings, sent)


def test_who_was_put_out_of_the_group_writes_nothing_of_what_it_holds(
    topics: Topics, store_of_our_own: Valkey, tmp_path: Path
):
    settings, sent = load_settings(), payments(60)
    former = worker(tmp_path, "former")
    former.wait_for("assigned")
    topics.produce("transactions", by_user(sent[:7]))
    wait_for_events(settings, 7, former)
    # It polls a batch that it can't write, and is stopped with it in its hands.
    store_of_our_own.hang()
    topics.produce("transactions", by_user(sent[7:30]))
    time.sleep(1)
    former.pause()
    store_of_our_own.go_on()
    other = worker(tmp_path, "other")
    topics.produce("transactions", by_user(sent[30:]))
    wait_for_events(settings, 60, other, former)
    before = in_store(settings, USERS)
    former.go_on()
    former.wait_for("gave our partitions away")
    after = in_store(settings, USERS)
    assert {u: bits(s) for u, s in after.items()} == {u: bits(s) for u, s in before.items()}
    assert former.stop()["events"] == 7
    assert other.stop()["events"] == 53
    same(settings, sent)


def test_workers_that_come_and_go_leave_each_event_once(
    topics: Topics, store_of_our_own: Valkey, tmp_path: Path
):
    settings, sent = load_settings(), payments(1_200)
    first = worker(tmp_path, "first")
    first.wait_for("assigned")
    topics.produce("transactions", by_user(sent[:400]))
    second = worker(tmp_path, "second")
    topics.produce("transactions", by_user(sent[400:700]))
    second.wait_for("assigned")
    topics.produce("transactions", by_user(sent[700:1_000]))
    done = [first.stop()]
    topics.produce("transactions", by_user(sent[1_000:]))
    wait_for_events(settings, 1_200, second)
    done.append(second.stop())
    assert all(one["events"] for one in done)
    assert sum(one["events"] for one in done) == 1_200
    same(settings, sent)


def test_a_store_that_goes_and_comes_back_is_waited_for_and_what_it_lost_is_read_again(
    topics: Topics, store_of_our_own: Valkey, tmp_path: Path
):
    settings, sent = load_settings(), payments(90)
    one = worker(tmp_path)
    one.wait_for("assigned")
    topics.produce("transactions", by_user(sent[:50]))
    wait_for_events(settings, 50, one)
    # As a server that syncs once a second loses its last rows.
    with store_of_our_own.client() as client:
        assert client.delete(redis_key("user_id", "u3")) == 1
    store_of_our_own.kill()
    topics.produce("transactions", by_user(sent[50:]))
    one.wait_for("tried again in")
    assert one.metrics()['fraud_stream_faults_total{of="store"}'] >= 1
    time.sleep(7)  # longer than a silent member is kept in the group
    store_of_our_own.start()
    wait_for_events(settings, 90, one)
    one.wait_for("the online store is back")
    done = one.stop()
    assert done["rebalances"] == 1
    assert done["rereads"] >= 1
    same(settings, sent)


def test_a_store_that_was_lost_is_not_written_until_it_is_rebuilt(
    topics: Topics, store_of_our_own: Valkey, tmp_path: Path
):
    settings, sent = load_settings(), payments(40)
    one = worker(tmp_path)
    one.wait_for("assigned")
    topics.produce("transactions", by_user(sent[:20]))
    wait_for_events(settings, 20, one)
    store_of_our_own.flush()
    topics.produce("transactions", by_user(sent[20:]))
    one.wait_for("predictflow online rebuild")
    assert hashes(settings, USERS) == 0
    begin(settings)
    wait_for_events(settings, 40, one)
    one.stop()
    same(settings, sent)


def test_a_broker_that_is_killed_and_started_again_is_waited_for(
    own_broker: OwnBrokers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broker = own_broker()
    topics = new_topics(broker.address, monkeypatch)
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "stream")
    settings, sent = load_settings(), payments(80)
    begin(settings)
    one = worker(tmp_path)
    one.wait_for("assigned")
    topics.produce("transactions", by_user(sent[:40]))
    wait_for_events(settings, 40, one)
    broker.kill()
    broker.start()
    topics.produce("transactions", by_user(sent[40:]))
    wait_for_events(settings, 80, one)
    one.stop()
    same(settings, sent)


def test_the_command_shows_its_figures_and_ends_in_order_on_sigterm(
    topics: Topics, stream_writes: None, tmp_path: Path
):
    settings = load_settings()
    one = worker(tmp_path)
    one.wait_for("assigned")
    sent = [transaction(n, timestamp=datetime.now(UTC).isoformat()) for n in range(20)]
    topics.produce("transactions", [*by_user(sent), *by_user(sent[:5]), b"no payment"])
    wait_until(lambda: one.metrics()["fraud_stream_events_total"] == 20, "it counts them", one)
    wait_until(
        lambda: one.metrics().get('fraud_stream_skipped_total{reason="invalid"}') == 1.0,
        "it counts what it skips",
        one,
    )
    figures = one.metrics()
    assert figures["fraud_stream_duplicates_total"] == 5
    assert figures["fraud_stream_batches_total"] >= 1
    assert figures['fraud_stream_freshness_seconds_count{since="record"}'] == 20
    assert figures['fraud_stream_freshness_seconds_bucket{le="30.0",since="event"}'] == 20
    assert {figures[f'fraud_stream_lag_records{{partition="{n}"}}'] for n in range(3)} == {0.0}
    done = one.stop()
    assert (done["events"], done["duplicates"], done["skipped"]) == (20, 5, {"invalid": 1})
    said = one.log.read_text()
    assert not [user for user in USERS if user in said]
    with open_store(settings) as store:
        assert store.written_as_of(VIEWS[0]) is not None


def test_the_command_says_what_to_set_where_the_asset_writes_the_view(
    topics: Topics, tmp_path: Path
):
    assert "setting online.recent_by" in worker(tmp_path).refusal()
