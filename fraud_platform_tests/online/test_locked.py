"""A locked SQLite store: rows that are read and written as one, while other processes wait."""

import threading
import time
from pathlib import Path

import pytest

from fraud_platform.errors import UnavailableError
from fraud_platform.features.state import VIEWS
from fraud_platform.online.sqlite_store import SqliteStore
from fraud_platform_tests.online.rows import a_state
from fraud_platform_tests.serving.parts import NOW

RECENT, DAILY = VIEWS[0], VIEWS[1]


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(tmp_path / "online_store.db", VIEWS)
    store.write(RECENT, {}, NOW)
    return store


def test_a_block_that_raises_leaves_nothing_behind(store: SqliteStore) -> None:
    def fail() -> None:
        with store.locked() as inside:
            inside.write(DAILY, {"u": a_state(DAILY)}, NOW)
            assert inside.read([DAILY], ["u"]) == [{DAILY.name: a_state(DAILY)}]
            assert inside.is_there(DAILY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.read([DAILY], ["u"]) == [{DAILY.name: DAILY.empty}]
    assert (store.is_there(RECENT), store.is_there(DAILY)) == (True, False)
    assert store.written_as_of(RECENT) is None  # it was written, and nobody had a row


def test_who_reads_to_write_waits_for_who_did_before(store: SqliteStore) -> None:
    """Each adds an event to what it read: without the lock one would undo the other's."""

    def add(first: int) -> None:
        for n in range(first, first + 20):
            with store.locked() as inside:
                (found,) = inside.read([RECENT], ["u"])
                lists = {name: [*values, n] for name, values in found[RECENT.name].items()}  # type: ignore[misc]
                time.sleep(0.001)
                inside.write(RECENT, {"u": lists}, NOW, whole=False)

    threads = [threading.Thread(target=add, args=[first]) for first in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (found,) = store.read([RECENT], ["u"])
    assert sorted(found[RECENT.name]["timestamps_us"]) == list(range(40))  # type: ignore[arg-type]


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "online_store.db"
    with pytest.raises(UnavailableError, match="unable to open"), SqliteStore(path, VIEWS).locked():
        pass
    assert not path.exists()
