"""The store is read as Feast reads it; what cannot be read is a fault and an empty state."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from feature_repo.store import opened
from feature_repo.write import write_view
from fraud_platform.features.online import Context
from fraud_platform.features.state import (
    MERCHANT_LABELS,
    USER_DAILY,
    USER_RECENT,
    VIEWS,
    MerchantLabels,
    UserDaily,
    UserRecent,
)
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import NOW
from serving import online_store
from serving.online_store import OnlineStore, Reading

LEAST, MOST = -(2**63), 2**63 - 1


def readings(path: Path, *ids: tuple[str, str], deadline_s: float = 5.0) -> list[Reading]:
    """What the store at a path says of users and merchants, one after the other."""

    async def read() -> list[Reading]:
        store = OnlineStore(path, deadline_s)
        try:
            return [await store.read(*pair) for pair in ids]
        finally:
            store.close()

    return asyncio.run(read())


def test_every_view_reads_as_feast_reads_it(stored: Settings, contexts: dict[str, Context]) -> None:
    entities = [*contexts, "stranger"]
    with opened(stored) as store:
        by_view = {
            view.name: store.get_online_features(
                features=[f"{view.name}:{name}" for name in view.fields],
                entity_rows=[{view.join_key: f"{view.entity}-{n}"} for n in entities],
            ).to_dict()
            for view in VIEWS
        }

    found = readings(stored.online_store, *((f"user-{n}", f"merchant-{n}") for n in entities))

    for i, reading in enumerate(found):
        assert reading.fault is None
        for view in VIEWS:
            state = msgspec.structs.asdict(getattr(reading.context, view.name))
            # Feast has None for an entity that it does not know; here that is a stranger's state.
            default = msgspec.structs.asdict(view.state())
            feast = {name: by_view[view.name][name][i] for name in view.fields}
            unknown = all(value is None for value in feast.values())
            assert state == (default if unknown else feast)
    assert found[-1].context == Context()


@pytest.mark.parametrize(
    "entity", ["用户 7", "nul\x00id", "quote'\"id", "é" * 64, "e\u0301", "🂡", " "]
)
def test_odd_ids_extreme_numbers_and_empty_lists_come_back(tmp_path: Path, entity: str) -> None:
    settings = Settings(data_dir=tmp_path)
    recent = UserRecent(
        timestamps_us=[LEAST, -1, MOST],
        amounts_cents=[1, 0, MOST],
        device_hashes=[LEAST, 0, MOST],
        transaction_hashes=[-7, 7, LEAST],
    )
    labels = MerchantLabels(as_of_us=LEAST, labels=MOST, frauds=-1)
    write_view(settings, USER_RECENT, {entity: recent, "other": UserRecent()}, NOW)
    write_view(settings, USER_DAILY, {entity: UserDaily(as_of_us=-1)}, NOW)
    write_view(settings, MERCHANT_LABELS, {entity: labels}, NOW)

    mine, other = readings(settings.online_store, (entity, entity), ("other", "é"))

    daily = UserDaily(as_of_us=-1)
    assert mine.context == Context(user_recent=recent, user_daily=daily, merchant_labels=labels)
    assert other == Reading(Context())


def test_a_user_known_to_one_view_only_has_that_state(settings: Settings) -> None:
    write_view(settings, USER_DAILY, {"new": UserDaily(last_timestamp_us=5)}, NOW)

    (found,) = readings(settings.online_store, ("new", "nowhere"))

    assert found == Reading(Context(user_daily=UserDaily(last_timestamp_us=5)))


def spoil(settings: Settings, statement: str, *values: object) -> None:
    """Changes the stored rows behind Feast's back."""
    with closing(sqlite3.connect(settings.online_store)) as connection, connection:
        connection.execute(statement, values)


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
    spoil(settings, statement, value)

    (found,) = readings(settings.online_store, ("user-3", "merchant-3"))

    assert found == Reading(Context(), "unreadable")
    assert found.reason == "the online store cannot be read; scored without history"


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500], ids=["empty", "text"])
def test_a_file_that_is_no_store_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)

    (found,) = readings(tmp_path / "store.db", ("u", "m"))

    assert found.fault == ("unreadable" if content else "missing")


def test_a_locked_store_is_a_fault_within_the_deadline(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.online_store, isolation_level=None)) as writer:
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")

        (found,) = readings(settings.online_store, ("user-3", "merchant-3"), deadline_s=0.5)

    assert found == Reading(Context(), "locked")


def test_a_replaced_store_is_read_from_then_on(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path / "other")
    for view, state in ((USER_RECENT, UserRecent()), (MERCHANT_LABELS, MerchantLabels(labels=5))):
        write_view(other, view, {"merchant-3": state}, NOW)

    async def read() -> list[Reading]:
        store = OnlineStore(settings.online_store, 5.0)
        before = await store.read("user-3", "merchant-3")
        other.online_store.replace(settings.online_store)
        await asyncio.sleep(online_store.RECHECK_S * 1.5)
        return [before, *[await store.read("user-3", "merchant-3") for _ in range(4)]]

    before, *after = asyncio.run(read())

    assert before.context.user_recent != UserRecent()
    assert {reading.context.merchant_labels.labels for reading in after} == {5}


def test_a_fault_is_logged_when_it_comes_and_when_it_goes(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_store, "_QUIET_S", 0.0)
    caplog.set_level("INFO", "predictflow.serving")
    away = settings.online_store.rename(settings.online_store.with_name("away.db"))

    async def read() -> None:
        store = OnlineStore(settings.online_store, 5.0)
        for _ in range(3):
            await store.read("user-3", "merchant-3")
        away.rename(settings.online_store)
        for _ in range(3):
            await store.read("user-3", "merchant-3")

    asyncio.run(read())

    assert [record.message for record in caplog.records] == [
        "online_store_fault",
        "online_store_back",
    ]
    assert "user-3" not in caplog.text
