"""Maintenance makes few files of many, and nobody who reads or writes meanwhile notices."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from deltalake import DeltaTable

from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, Table
from fraud_platform.lake.appender import SupersededError
from fraud_platform.lake.maintenance import MIB, Maintained, Rules, maintain
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, D2, landed, payments

RULES = Rules(small_files=4, target_bytes=128 * MIB, kept=timedelta(days=1))
NOW = Rules(small_files=4, target_bytes=128 * MIB, kept=timedelta(0))


def append(lake: Lake, start: int, end: int, source: str = "s") -> None:
    """A commit a row."""
    writer = lake.appender(LANDED_EVENTS)
    for offset in range(start, end):
        row = {"kind": "transaction", "event_date": D1, "source_id": source, "offset": offset}
        writer.append(landed([row]), {source: (offset, offset + 1)})


def offsets(lake: Lake, version: int | None = None) -> list[int]:
    return lake.read(LANDED_EVENTS, D1, D2, version=version)["offset"].sort().to_list()


def age(lake: Lake, table: Table, days: int, below: str = "") -> None:
    """Makes the files of a table as old as if they had been written so many days ago."""
    then = time.time() - days * 86_400
    for path in Path(lake.uri(table), below).rglob("*"):
        os.utime(path, (then, then))


def kept_up(lake: Lake, table: Table, rules: Rules, keep: tuple[int, ...] = ()) -> Maintained:
    done = maintain(lake, table, rules, keep)
    assert done is not None
    return done


def test_many_small_files_become_one_and_the_rows_stay(lake: Lake):
    assert maintain(lake, LANDED_EVENTS, RULES) is None
    append(lake, 0, 10)
    done = kept_up(lake, LANDED_EVENTS, RULES)
    assert (done.files_before, done.files_after, done.compacted_files) == (10, 1, 10)
    assert done.bytes_after < done.bytes_before
    assert done.removed_files == 0  # too fresh
    assert offsets(lake) == list(range(10))
    version = lake.version(LANDED_EVENTS)
    append(lake, 10, 13)
    again = kept_up(lake, LANDED_EVENTS, RULES)
    assert (again.files_before, again.files_after, again.compacted_files) == (4, 4, 0)
    assert lake.version(LANDED_EVENTS) == (version or 0) + 3


def test_positions_survive_and_a_writer_from_before_is_still_told_that_it_was_overtaken(lake: Lake):
    append(lake, 0, 3)
    idle, overtaken = lake.appender(LANDED_EVENTS), lake.appender(LANDED_EVENTS)
    assert idle.positions("s") == overtaken.positions("s") == {"s": 3}
    append(lake, 3, 10)
    age(lake, LANDED_EVENTS, 40)
    kept_up(lake, LANDED_EVENTS, NOW)
    names = sorted(path.name for path in Path(lake.uri(LANDED_EVENTS), "_delta_log").glob("0*"))
    assert names[0].endswith(".checkpoint.parquet")  # the entries before it are gone
    assert lake.position(LANDED_EVENTS, "s") == 10
    row = {"kind": "transaction", "event_date": D1, "offset": 99}
    with pytest.raises(SupersededError) as told:
        overtaken.append(landed([row]), {"s": (3, 4)})
    assert told.value.positions == {"s": 10}
    idle.append(landed([row | {"offset": 10}]), {"s": (10, 11)})
    assert offsets(lake) == list(range(11))


def test_unreferenced_files_go_after_their_time_and_never_before(lake: Lake):
    append(lake, 0, 10)
    opened = lake.dataset(LANDED_EVENTS, D1, D2)
    age(lake, LANDED_EVENTS, 30)  # the files' own age says nothing: they are in use until now
    assert kept_up(lake, LANDED_EVENTS, RULES).removed_files == 0
    assert opened.count_rows() == 10
    orphan = Path(lake.uri(LANDED_EVENTS), "kind=transaction", "event_date=2026-03-01", "x.parquet")
    orphan.write_bytes(b"left behind by a writer that was killed")
    assert kept_up(lake, LANDED_EVENTS, RULES).removed_files == 0
    assert orphan.exists()
    age(lake, LANDED_EVENTS, 2)
    assert kept_up(lake, LANDED_EVENTS, NOW).removed_files == 11
    assert not orphan.exists()
    assert offsets(lake) == list(range(10))


def test_recorded_versions_stay_readable_however_old_they_are(lake: Lake):
    for count in range(1, 8):
        lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, count))
    recorded = {1: 1, 3: 3, 7: 7}  # version 0 made the table
    age(lake, RAW_TRANSACTIONS, 400)
    done = kept_up(lake, RAW_TRANSACTIONS, NOW, (1, 3, 7, 9999))
    assert (done.versions_kept, done.lost) == ([1, 3, 7], [9999])
    assert done.removed_files == 4
    age(lake, RAW_TRANSACTIONS, 400)
    assert kept_up(lake, RAW_TRANSACTIONS, NOW, (1, 3, 7)).removed_files == 0
    for version, rows in recorded.items():
        assert lake.read(RAW_TRANSACTIONS, D1, D2, version=version).height == rows
    with pytest.raises(FileNotFoundError):
        lake.read(RAW_TRANSACTIONS, D1, D2, version=2)
    # A version that is no longer recorded goes with the next maintenance.
    assert kept_up(lake, RAW_TRANSACTIONS, NOW, (3,)).removed_files == 1
    assert lake.read(RAW_TRANSACTIONS, D1, D2, version=3).height == 3


@contextmanager
def meanwhile(*works: Callable[[], None]) -> Iterator[None]:
    """Each of the works over and over in a thread of its own, while the block runs."""
    stop = Event()

    def repeat(work: Callable[[], None]) -> None:
        work()
        while not stop.is_set():
            work()

    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(repeat, work) for work in works]
        try:
            yield
        finally:
            stop.set()
        for one in running:
            one.result()


def test_readers_and_writers_go_on_while_it_runs(lake: Lake):
    append(lake, 0, 10)
    kept_up(lake, LANDED_EVENTS, RULES)  # sets how long its log is kept: a change of the table
    opened = lake.dataset(LANDED_EVENTS, D1, D2)
    positions = {"a": 0, "b": 0}

    def write(source: str) -> None:
        append(lake, positions[source], positions[source] + 1, source)
        positions[source] += 1

    def read() -> None:
        assert opened.count_rows() == 10
        assert len(offsets(lake)) >= 10

    with meanwhile(read, lambda: write("a"), lambda: write("b")):
        compacted = sum(kept_up(lake, LANDED_EVENTS, RULES).compacted_files for _ in range(5))
    assert compacted > 10
    assert min(positions.values()) > 5
    held = lake.read(LANDED_EVENTS, D1, D2).group_by("source_id").len().sort("source_id")
    assert held.rows() == [("a", positions["a"]), ("b", positions["b"]), ("s", 10)]
    assert lake.appender(LANDED_EVENTS).positions("a", "b") == positions


def test_a_compaction_that_another_writer_overtakes_is_left_to_the_next_time(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    for n in range(6):  # many files of a day, as a writer without replace_days leaves them
        start = {"s": (n, n + 1)}
        lake.appender(RAW_TRANSACTIONS).append(payments(D1, 1), start)
    update = DeltaTable.update_incremental

    def replaced_after(delta: DeltaTable) -> None:
        """Between the look at the table and the commit."""
        update(delta)
        monkeypatch.setattr(DeltaTable, "update_incremental", update)
        lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 3))

    monkeypatch.setattr(DeltaTable, "update_incremental", replaced_after)
    done = kept_up(lake, RAW_TRANSACTIONS, RULES)
    assert (done.compacted_files, done.partitions_left) == (0, 1)
    assert lake.read(RAW_TRANSACTIONS, D1, D2).height == 3
    assert kept_up(lake, RAW_TRANSACTIONS, RULES).partitions_left == 0
