"""A request reads what writers wrote; what cannot be read is a fault and an empty state."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.clock import to_us
from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.settings import Settings
from fraud_platform_tests.online.rows import ODD_IDS, a_state, extreme
from fraud_platform_tests.serving.parts import NOW, paired
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey
from serving import online_store, sqlite_reader
from serving.online_store import OnlineStore, Reading
from serving.store_fault import NOTHING_KNOWN, Context

RECENT = VIEWS[0]


def known(context: Context) -> Reading:
    """What is read of a store whose views were written as of NOW."""
    return Reading(context, as_of_us=to_us(NOW))


@pytest.fixture(params=["sqlite", "redis"])
def filled(request: pytest.FixtureRequest) -> Settings:
    """Settings of an online store with `contexts`; every test that takes them runs on each kind."""
    return request.getfixturevalue("settings" if request.param == "sqlite" else "in_redis")


def readings(settings: Settings, *ids: tuple[str, str], deadline_s: float = 5.0) -> list[Reading]:
    """What the store says of users and merchants, one after the other."""

    async def read(store: OnlineStore) -> list[Reading]:
        return [await store.read(*pair) for pair in ids]

    return with_store(settings, read, deadline_s)


def with_store[R](
    settings: Settings, use: Callable[[OnlineStore], Awaitable[R]], deadline_s: float = 5.0
) -> R:
    async def run() -> R:
        store = OnlineStore(settings, deadline_s)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_every_view_reads_as_it_was_written(filled: Settings, contexts: dict[str, Context]) -> None:
    pairs = list(zip(contexts, reversed(contexts), strict=True))

    found = readings(filled, *((f"user-{u}", f"merchant-{m}") for u, m in pairs))

    assert found == [known(paired(contexts, u, m)) for u, m in pairs]


def test_a_stranger_is_no_fault(filled: Settings) -> None:
    assert readings(filled, ("stranger", "nowhere")) == [known(NOTHING_KNOWN)]


def test_odd_ids_extreme_numbers_and_empty_lists_come_back(filled: Settings) -> None:
    with open_store(filled) as store:
        for view in VIEWS:
            rows = dict.fromkeys(ODD_IDS, extreme(view))
            store.write(view, rows | {"empty": a_state(view, length=0)}, NOW)

    *odd, empty = readings(filled, *((odd, odd) for odd in ODD_IDS), ("empty", "empty"))

    assert odd == [known({view.name: extreme(view) for view in VIEWS})] * len(ODD_IDS)
    assert empty == known({view.name: a_state(view, length=0) for view in VIEWS})


def test_a_user_known_to_one_view_only_has_that_state(filled: Settings) -> None:
    with open_store(filled) as store:
        store.write(VIEWS[1], {"new": a_state(VIEWS[1])}, NOW)

    assert readings(filled, ("new", "nowhere")) == [
        known(NOTHING_KNOWN | {VIEWS[1].name: a_state(VIEWS[1])})
    ]


def test_a_view_that_was_not_written_is_a_fault_and_no_stranger(
    tmp_path: Path, valkey: Valkey
) -> None:
    for settings in (Settings(data_dir=tmp_path), valkey.settings(tmp_path)):
        assert readings(settings, ("u", "m")) == [Reading(NOTHING_KNOWN, "missing")]
        with open_store(settings) as store:
            for view in VIEWS[1:]:
                store.write(view, {}, NOW)
            # As a stream does that goes on after the store was lost.
            store.write(RECENT, {"u": a_state(RECENT)}, NOW, whole=False)
            assert readings(settings, ("u", "m")) == [Reading(NOTHING_KNOWN, "missing")]
            store.write(RECENT, {}, NOW)
            assert readings(settings, ("v", "m")) == [Reading(NOTHING_KNOWN)]


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE predictflow_user_recent SET value = ?", b"\xff\xff\xff"),
        ("UPDATE predictflow_user_recent SET value = ?", "text"),
        ("UPDATE predictflow_user_recent SET value = ?", b""),
        ("DELETE FROM predictflow_user_recent WHERE feature_name = ?", "amounts_cents"),
    ],
    ids=["no ValueProto", "no bytes", "no value", "torn row"],
)
def test_values_that_cannot_be_are_a_fault_and_no_answer(
    settings: Settings, statement: str, value: object
) -> None:
    with closing(sqlite3.connect(settings.online_store)) as connection, connection:
        connection.execute(statement, [value])

    (found,) = readings(settings, ("user-3", "merchant-3"))

    assert found == Reading(NOTHING_KNOWN, "unreadable")
    assert found.reason == "the online store cannot be read; scored without history"


@pytest.mark.parametrize(
    "command",
    [
        ("HSET", b"\xff\xff\xff"),
        ("HSET", b""),
        ("HDEL",),
        ("SET",),
    ],
    ids=["no ValueProto", "no value", "torn row", "no hash"],
)
def test_hashes_that_cannot_be_are_a_fault_and_no_answer(
    in_redis: Settings, valkey: Valkey, command: tuple[str, ...]
) -> None:
    name, *value = command
    with valkey.client() as client:
        client.execute_command(
            name, redis_key("user_id", "user-3"), redis_fields(RECENT)[0], *value
        )

    found = readings(in_redis, ("user-3", "merchant-3"), ("user-4", "merchant-3"))

    assert [reading.fault for reading in found] == ["unreadable", None]


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500], ids=["empty", "text"])
def test_a_file_that_is_no_store_is_a_fault(tmp_path: Path, content: bytes) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.online_store.parent.mkdir()
    settings.online_store.write_bytes(content)

    (found,) = readings(settings, ("u", "m"))

    assert found.fault == ("unreadable" if content else "missing")


def test_a_locked_store_is_a_fault_within_the_deadline(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.online_store, isolation_level=None)) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")

        (found,) = readings(settings, ("user-3", "merchant-3"), deadline_s=0.5)

    assert found == Reading(NOTHING_KNOWN, "locked")


def test_a_replaced_store_is_read_from_then_on(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path / "other")
    with open_store(other) as written:
        for view in VIEWS:
            written.write(view, {f"{view.entity}-3": a_state(view, 7)}, NOW)

    async def read(store: OnlineStore) -> list[Reading]:
        before = await store.read("user-3", "merchant-3")
        other.online_store.replace(settings.online_store)
        await asyncio.sleep(sqlite_reader.RECHECK_S * 1.5)
        return [before, *[await store.read("user-3", "merchant-3") for _ in range(4)]]

    before, *after = with_store(settings, read)

    expected = known({view.name: a_state(view, 7) for view in VIEWS})
    assert before.fault is None
    assert before != expected
    assert after == [expected] * 4


def test_many_requests_at_once_share_a_connection(
    in_redis: Settings, valkey: Valkey, contexts: dict[str, Context]
) -> None:
    numbers = [str(i % 20) for i in range(200)]

    async def read(store: OnlineStore) -> tuple[list[Reading], int]:
        found = await asyncio.gather(*(store.read(f"user-{n}", f"merchant-{n}") for n in numbers))
        with valkey.client() as client:
            clients: Any = client.client_list()
            return found, len(clients)

    found, connections = with_store(in_redis, read)

    assert found == [known(contexts[n]) for n in numbers]
    assert connections == 2  # with the one that asks


def test_requests_beyond_what_can_be_served_are_refused_at_once(
    own_valkey: OwnValkeys, tmp_path: Path
) -> None:
    server = own_valkey()
    server.hang()

    async def read(store: OnlineStore) -> list[Reading]:
        return await asyncio.gather(*(store.read("u", "m") for _ in range(300)))

    found = with_store(server.settings(tmp_path), read, deadline_s=0.3)
    server.go_on()

    assert sorted({str(reading.fault) for reading in found}) == ["busy", "late"]


@pytest.mark.parametrize("login", [":wrong@", ""], ids=["wrong", "none"])
def test_a_refused_login_is_a_fault_whose_log_shows_no_password(
    login: str, own_valkey: OwnValkeys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_valkey("hunter2")
    online = server.online(f"redis://{login}127.0.0.1:{server.port}")

    found = readings(Settings(data_dir=tmp_path, online=online), ("u", "m"))

    assert found == [Reading(NOTHING_KNOWN, "unreadable")]
    (record,) = caplog.records
    fields = record.__dict__["fields"]
    assert fields["store"] == f"127.0.0.1:{server.port}"
    assert fields["cause"] == f"refused: {'WRONGPASS' if login else 'NOAUTH'}"
    assert "wrong" not in str(fields).replace("wrong number", "")


def test_a_redis_that_comes_back_is_read_at_once(own_valkey: OwnValkeys, tmp_path: Path) -> None:
    server = own_valkey(appendonly="yes")
    settings = server.settings(tmp_path)
    with open_store(settings) as written:
        for view in VIEWS:
            written.write(view, {"x": a_state(view)}, NOW)

    async def read(store: OnlineStore) -> list[Reading]:
        before = await store.read("x", "x")
        server.kill()
        away = await store.read("x", "x")
        server.start()
        return [before, away, await store.read("x", "x")]

    before, away, after = with_store(settings, read)

    assert before == after == known({view.name: a_state(view) for view in VIEWS})
    assert away == Reading(NOTHING_KNOWN, "missing")


def test_a_fault_is_logged_when_it_comes_and_when_it_goes(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_store, "_QUIET_S", 0.0)
    caplog.set_level("INFO", "predictflow.serving")
    away = settings.online_store.rename(settings.online_store.with_name("away.db"))

    async def read(store: OnlineStore) -> None:
        for _ in range(3):
            await store.read("user-3", "merchant-3")
        away.rename(settings.online_store)
        for _ in range(3):
            await store.read("user-3", "merchant-3")

    with_store(settings, read)

    assert [record.message for record in caplog.records] == [
        "online_store_fault",
        "online_store_back",
    ]
    assert "user-3" not in caplog.text
