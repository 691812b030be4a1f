"""Rows and the positions of their sources move together, or not at all."""

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import UnavailableError
from fraud_platform.lake.appender import SupersededError
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, landed


def rows(source: str, start: int, end: int) -> pl.DataFrame:
    return landed(
        [
            {"kind": "transaction", "event_date": D1, "source_id": source, "offset": offset}
            for offset in range(start, end)
        ]
    )


def offsets(lake: Lake, source: str) -> list[int]:
    frame = lake.read(LANDED_EVENTS, D1, D1.replace(day=2), columns=["source_id", "offset"])
    return frame.filter(pl.col("source_id") == source)["offset"].to_list()


def test_several_sources_move_in_one_commit(lake: Lake):
    writer = lake.appender(LANDED_EVENTS)
    assert writer.positions("a", "b") == {"a": 0, "b": 0}
    both = pl.concat([rows("a", 0, 3), rows("b", 0, 2)])
    version = writer.append(both, {"a": (0, 3), "b": (0, 2)})
    assert writer.append(rows("b", 2, 3), {"b": (2, 3)}) == version + 1
    assert lake.appender(LANDED_EVENTS).positions("a", "b", "c") == {"a": 3, "b": 3, "c": 0}
    assert (offsets(lake, "a"), offsets(lake, "b")) == ([0, 1, 2], [0, 1, 2])


def test_a_writer_that_was_overtaken_is_told_by_whom_and_where_and_writes_nothing(lake: Lake):
    late, other = lake.appender(LANDED_EVENTS), lake.appender(LANDED_EVENTS)
    assert late.positions("a", "b") == {"a": 0, "b": 0}
    version = other.append(rows("a", 0, 5), {"a": (0, 5)})
    with pytest.raises(SupersededError, match="source a was landed up to 5") as refused:
        late.append(pl.concat([rows("a", 0, 3), rows("b", 0, 3)]), {"a": (0, 3), "b": (0, 3)})
    assert refused.value.positions == {"a": 5}
    assert lake.version(LANDED_EVENTS) == version
    late.append(rows("b", 0, 3), {"b": (0, 3)})
    assert (offsets(lake, "a"), offsets(lake, "b")) == ([0, 1, 2, 3, 4], [0, 1, 2])


def test_positions_move_without_rows_too(lake: Lake):
    writer = lake.appender(LANDED_EVENTS)
    writer.append(rows("a", 0, 0), {"a": (0, 7)})
    assert writer.positions("a") == {"a": 7}


def test_many_writers_at_once_leave_each_offset_once(lake: Lake):
    lake.appender(LANDED_EVENTS).positions("a")

    def work(number: int) -> None:
        writer = lake.appender(LANDED_EVENTS)
        shared, own = f"s{number % 2}", f"own{number}"
        while (at := writer.positions(shared)[shared]) < 20:
            try:
                writer.append(rows(shared, at, at + 1), {shared: (at, at + 1)})
            except SupersededError as error:
                assert error.positions[shared] > at  # noqa: PT017 - the others succeed
            except UnavailableError:
                continue  # too many rivals: nothing was written, and the loop looks again
        writer.append(rows(own, 0, 2), {own: (0, 2)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert offsets(lake, "s0") == offsets(lake, "s1") == list(range(20))
    assert all(offsets(lake, f"own{number}") == [0, 1] for number in range(4))


def test_a_table_of_an_earlier_release_gets_the_columns_that_it_lacks(lake: Lake):
    old = pa.schema([f for f in LANDED_EVENTS.schema if f.name not in ("key", "source")])
    DeltaTable.create(lake.uri(LANDED_EVENTS), old, partition_by=list(LANDED_EVENTS.partition_by))
    lake.appender(LANDED_EVENTS).append(rows("a", 0, 2), {"a": (0, 2)})
    frame = lake.read(LANDED_EVENTS, D1, D1.replace(day=2))
    assert (frame["offset"].to_list(), frame["key"].to_list()) == ([0, 1], [None, None])
    assert frame.columns == LANDED_EVENTS.schema.names
