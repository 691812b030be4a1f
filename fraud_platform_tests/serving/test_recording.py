"""The service records what it scored: the next payments see it, and nothing undoes it."""

import random
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event as Stop
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_platform.clock import DAY_US, day_start_us, from_us, to_us
from fraud_platform.commands.online import rebuild
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.features.state import VIEWS, State, identifier_hash
from fraud_platform.lake.store import Lake
from fraud_platform.online import open_store
from fraud_platform.online.sqlite_store import MARKERS
from fraud_platform.settings import Settings, load_settings
from fraud_platform.stream.worker import stream
from fraud_platform_tests.kafka_broker import Record, Topics
from fraud_platform_tests.online.rows import a_state
from fraud_platform_tests.serving.parts import Client, Deploy, Start, eventually, samples
from fraud_platform_tests.serving.served import Served
from fraud_platform_tests.stream.conftest import stream_writes
from fraud_platform_tests.stream.states import hashes, in_store, payments
from fraud_platform_tests.stream.test_habits import bits
from fraud_platform_tests.world import LAST, make
from serving import recording

__all__ = ["stream_writes"]

RECENT, DAILY = VIEWS[0], VIEWS[1]
USERS = [f"u{n}" for n in range(7)]
END = from_us(day_start_us(LAST + timedelta(days=1)))
COUNT = FEATURE_NAMES.index("user_tx_count_24h")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, deploy: Deploy) -> Settings:
    """Settings of a service that records, with a model; its store has views and nobody in them."""
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "serving")
    settings = load_settings()
    deploy(settings)
    with open_store(settings) as store:
        for view in VIEWS:
            store.write(view, {}, datetime.now(UTC))
    return settings


@pytest.fixture
def served() -> Iterator[list[Served]]:
    """Processes of the service, ended with the test."""
    started: list[Served] = []
    yield started
    for one in started:
        one.kill()


def ask(client: Client, sent: Sequence[dict[str, Any]]) -> None:
    for one in sent:
        answer = client.post("/predict", json=one)
        assert answer.status_code == 200, answer.text


def habits_of(user: int) -> State:
    """Some payments of a user on the days before, from which what is usual for them follows."""
    rng, today = random.Random(user), to_us(datetime.now(UTC)) // DAY_US
    days = list(range(today - 20, today - 2))
    state: dict[str, Any] = {}
    for name, kind in DAILY.fields.items():
        drawn = [rng.randrange(1_000, 9_000) for _ in days]
        state[name] = (today - 2) * DAY_US if kind == "int64" else drawn
    ones = {"n": [3 for _ in days], "days": days, "first_us": days, "last_us": days}
    return {**state, **ones, "seen_device_hashes": [], "seen_device_days": []}


def bits_of(settings: Settings) -> dict[str, object]:
    return {user: bits(state) for user, state in in_store(settings, USERS).items()}


def test_what_it_records_is_what_a_stream_worker_would_have_written(
    topics: Topics, stream_writes: None, recorder: Settings, start: Start
) -> None:
    streamed = replace(
        recorder,
        data_dir=recorder.data_dir / "streamed",
        online=replace(recorder.online, recent_by="stream"),
    )
    for settings in (recorder, streamed):
        with open_store(settings) as store:
            rows = {user: habits_of(n) for n, user in enumerate(USERS)}
            store.write(DAILY, rows, datetime.now(UTC))
    sent = payments(90)
    topics.produce("transactions", [Record(one, key=str(one["user_id"]).encode()) for one in sent])
    stream(streamed, Stop(), until_caught_up=True)
    came = [*sent, *sent[:20]]
    random.Random(3).shuffle(came)

    with start(recorder) as client:
        ask(client, came)

    assert bits_of(recorder) == bits_of(streamed)
    assert hashes(recorder, USERS) == 90
    (habit,) = (name for name, kind in RECENT.fields.items() if kind == "float64_list")
    assert all(state[habit][-1] > 0 for state in in_store(recorder, USERS).values())  # type: ignore[index]


def test_ten_quick_payments_raise_the_counts_of_the_eleventh(
    recorder: Settings, served: list[Served]
) -> None:
    service = Served(recorder.data_dir)
    served.append(service)
    now = datetime.now(UTC) - timedelta(minutes=5)
    quick: list[dict[str, Any]] = [
        {
            "transaction_id": f"quick-{n}",
            "timestamp": (now + timedelta(seconds=n)).isoformat(),
            "user_id": "user-q",
            "merchant_id": "m",
            "amount": 25.0,
        }
        for n in range(11)
    ]
    for one in quick[:10]:
        assert not service.ask(one)["degraded"]

    def count() -> float:
        event = Event(timestamp_us=to_us(now) + 10_000_000, amount_cents=2500)
        with open_store(recorder) as store:
            (context,) = store.contexts(["user-q"], ["m"])
        return compute_vector(event, context)[COUNT]

    assert eventually(lambda: count() == 10)
    service.ask(quick[10])
    assert service.samples()["fraud_recorded_payments_total"] >= 10
    assert service.stop() == 0
    assert hashes(recorder, ["user-q"]) == 11  # what waited is recorded before it ends


def test_workers_and_a_rebuild_that_write_at_once_lose_nothing(
    tables: Lake, recorder: Settings, served: list[Served]
) -> None:
    rebuild(recorder, END)
    made = tables.read(RAW_TRANSACTIONS, LAST, LAST + timedelta(days=1))
    users = made["user_id"].unique().sort().to_list()[:5]
    before = hashes(recorder, users)
    served += [Served(recorder.data_dir), Served(recorder.data_dir)]

    def pay(number: int) -> None:
        for n in range(100):
            served[number].ask(
                {
                    "transaction_id": f"live-{number}-{n}",
                    "timestamp": (END + timedelta(seconds=n)).isoformat(),
                    "user_id": users[n % len(users)],
                    "merchant_id": "m",
                    "amount": 1 + n,
                }
            )

    threads = [threading.Thread(target=pay, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    rebuilds = 0
    while any(thread.is_alive() for thread in threads) or rebuilds == 0:
        rebuild(recorder, END)
        rebuilds += 1
    for thread in threads:
        thread.join()

    assert [one.stop() for one in served] == [0, 0]
    assert hashes(recorder, users) == before + 200


def test_once_it_is_landed_and_made_a_recorded_payment_is_not_counted_twice(
    tables: Lake, recorder: Settings, start: Start
) -> None:
    rows = tables.read(RAW_TRANSACTIONS, LAST, LAST + timedelta(days=1))
    last = rows.row(-1, named=True)
    landed = {
        **{name: last[name] for name in ("transaction_id", "user_id", "merchant_id", "device_id")},
        "timestamp": from_us(last["timestamp_us"]).isoformat(),
        "amount": last["amount_cents"] / 100,
    }
    later = (END + timedelta(minutes=3)).isoformat()
    live = {**landed, "transaction_id": "live", "timestamp": later}
    alone = replace(recorder, online=replace(recorder.online, recent_by="online_features"))
    alone = replace(alone, data_dir=recorder.data_dir / "alone")
    (alone.data_dir).mkdir()
    (alone.data_dir / "lake").symlink_to(recorder.lake_dir)
    rebuild(alone, END)
    user = last["user_id"]
    expected = in_store(alone, [user])[user]

    with start(recorder) as client:
        ask(client, [landed, live])
    for _ in range(2):
        make(["online_features"], LAST, LAST)

    found = in_store(recorder, [user])[user]
    assert list(found["transaction_hashes"]) == [  # type: ignore[arg-type]
        *expected["transaction_hashes"],  # type: ignore[misc]
        identifier_hash("live"),
    ]
    one_less = {name: list(values)[:-1] for name, values in found.items()}  # type: ignore[arg-type]
    assert bits(one_less) == bits(expected)
    with open_store(recorder) as store:
        assert store.written_as_of(RECENT) == END


def test_while_the_view_is_away_payments_wait_and_answers_go_on(
    recorder: Settings, start: Start
) -> None:
    sent = payments(14)
    with start(recorder) as client:
        with closing(sqlite3.connect(recorder.online_store)) as store, store:
            store.execute(f'DELETE FROM "{MARKERS}" WHERE view = ?', [RECENT.name])
        ask(client, sent)
        assert eventually(lambda: samples(client)["fraud_recording_failures_total"] > 0)
        reasons = client.get("/health/ready").json()["reasons"]
        assert "what is scored cannot be recorded just now; the log says why" in reasons
        with open_store(recorder) as store:
            store.write(RECENT, {}, datetime.now(UTC))
        assert eventually(lambda: hashes(recorder, USERS) == 14)
        assert eventually(lambda: client.get("/health/ready").json()["reasons"] == [])


def test_what_is_too_much_to_wait_is_counted(
    recorder: Settings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "WAITING", 3)
    with start(recorder) as client:
        with closing(sqlite3.connect(recorder.online_store)) as store, store:
            store.execute(f'DELETE FROM "{MARKERS}"')
        ask(client, payments(30))
        found = samples(client)
    assert found["fraud_unrecorded_payments_total,reason=busy"] >= 10


def test_a_broken_row_of_one_user_costs_no_other_their_events(
    recorder: Settings, start: Start
) -> None:
    with open_store(recorder) as store:
        store.write(RECENT, {"u3": a_state(RECENT)}, datetime.now(UTC), whole=False)
    with closing(sqlite3.connect(recorder.online_store)) as store, store:
        store.execute(
            f'DELETE FROM "{RECENT.table}" WHERE feature_name = ?', [next(iter(RECENT.fields))]
        )
    others = [user for user in USERS if user != "u3"]
    with start(recorder) as client:
        ask(client, payments(14))
        assert eventually(lambda: hashes(recorder, others) == 12)
        lost = "fraud_unrecorded_payments_total,reason=failed"
        assert eventually(lambda: samples(client)[lost] == 2)


def test_a_service_that_is_not_told_to_records_nothing(
    settings: Settings, deploy: Deploy, start: Start
) -> None:
    deploy(settings)
    with start(settings) as client:
        ask(client, payments(7))
    assert hashes(settings, USERS) == 0


def test_the_age_of_the_state_is_told(recorder: Settings, start: Start) -> None:
    with open_store(recorder) as store:
        for hours, view in enumerate(VIEWS[1:], start=1):
            ids = {"u0": a_state(view)}
            store.write(view, ids, datetime.now(UTC) - timedelta(hours=hours))
    with start(recorder) as client:
        ask(client, payments(1))
        age = samples(client)["fraud_online_state_age_seconds"]
    oldest = 3600 * len(VIEWS[1:])
    assert oldest <= age < oldest + 60


def test_with_redis_the_settings_say_that_the_stream_is_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "serving")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_STORE", "redis")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_REDIS_URL", "redis://127.0.0.1")
    with pytest.raises(PredictFlowError, match=r"online\.recent_by: .* set it to stream"):
        load_settings()
