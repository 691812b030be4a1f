"""Days of a Delta table are replaced whole, or not at all."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier

import polars as pl
import pyarrow.dataset as ds
import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS
from fraud_platform.errors import PredictFlowError
from fraud_platform.lake.store import Lake, versions
from fraud_platform_tests.lake.rows import D1, D2, D3, D4, payments

CHECKOUT = Path(__file__).parents[2]


def counts(lake: Lake, version: int | None = None) -> dict[date, int]:
    frame = lake.read(RAW_TRANSACTIONS, D1, D4, version=version)
    return dict(frame.group_by("event_date").len().sort("event_date").iter_rows())


def test_only_the_days_asked_for_are_replaced(lake: Lake):
    lake.replace_days(RAW_TRANSACTIONS, D1, D4, pl.concat([payments(d, 5) for d in (D1, D2, D3)]))
    lake.replace_days(RAW_TRANSACTIONS, D2, D3, payments(D2, 2, amount_cents=7))
    assert counts(lake) == {D1: 5, D2: 2, D3: 5}
    assert lake.count_by_day(RAW_TRANSACTIONS, D1, D4) == {D1: 5, D2: 2, D3: 5}
    assert lake.read(RAW_TRANSACTIONS, D2, D3)["amount_cents"].to_list() == [7, 7]


def test_replacing_by_no_rows_empties_the_days(lake: Lake):
    lake.replace_days(RAW_TRANSACTIONS, D1, D3, pl.concat([payments(D1, 5), payments(D2, 5)]))
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 0))
    assert counts(lake) == {D2: 5}


def test_an_empty_range_takes_no_rows_and_changes_none(lake: Lake):
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 5))
    lake.replace_days(RAW_TRANSACTIONS, D1, D1, payments(D1, 0))
    assert counts(lake) == {D1: 5}
    assert lake.read(RAW_TRANSACTIONS, D1, D1).is_empty()
    with pytest.raises(PredictFlowError, match="1 rows lie outside"):
        lake.replace_days(RAW_TRANSACTIONS, D1, D1, payments(D1, 1))


@pytest.mark.parametrize("day", [D1, D3, None])
def test_a_row_outside_the_range_is_refused_before_anything_is_written(
    lake: Lake, day: date | None
):
    stray = payments(D2, 1).with_columns(event_date=pl.lit(day, dtype=pl.Date))
    with pytest.raises(PredictFlowError, match="raw_transactions: 1 rows lie outside 2026-03-02"):
        lake.replace_days(RAW_TRANSACTIONS, D2, D3, pl.concat([payments(D2, 3), stray]))
    assert lake.version(RAW_TRANSACTIONS) is None


def test_an_absent_table_reads_as_an_empty_one(lake: Lake, tmp_path: Path):
    frame = lake.read(RAW_TRANSACTIONS, D1, D4, columns=["user_id"])
    assert (frame.columns, frame.height) == (["user_id"], 0)
    assert lake.count_by_day(RAW_TRANSACTIONS, D1, D4) == {}
    assert lake.position(LANDED_EVENTS, "s") == 0
    assert versions(lake, [RAW_TRANSACTIONS]) == {}
    assert not (tmp_path / "lake").exists()


def test_a_version_reads_as_it_was(lake: Lake):
    first = lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 5))
    second = lake.replace_days(RAW_TRANSACTIONS, D1, D3, payments(D2, 3))
    assert versions(lake, [RAW_TRANSACTIONS, LANDED_EVENTS]) == {"raw_transactions": second}
    assert (counts(lake, first), counts(lake, second)) == ({D1: 5}, {D2: 3})
    with pytest.raises(PredictFlowError, match="raw_transactions at version 99 can't be opened"):
        lake.read(RAW_TRANSACTIONS, D1, D2, version=99)


def test_rows_come_in_the_order_of_the_table_with_the_columns_asked_for(lake: Lake):
    lake.replace_days(RAW_TRANSACTIONS, D1, D3, pl.concat([payments(D2, 3), payments(D1, 3)]))
    frame = lake.read(RAW_TRANSACTIONS, D1, D3, columns=["transaction_id", "event_date"])
    assert frame["event_date"].to_list() == [D1] * 3 + [D2] * 3
    assert frame["transaction_id"].to_list() == ["t0", "t1", "t2"] * 2
    assert frame.columns == ["transaction_id", "event_date"]


def test_files_of_other_days_are_not_opened(lake: Lake):
    lake.replace_days(RAW_TRANSACTIONS, D1, D3, pl.concat([payments(D1, 3), payments(D2, 3)]))
    for file in Path(lake.uri(RAW_TRANSACTIONS)).glob("event_date=2026-03-02/*.parquet"):
        file.unlink()
    cheap = ds.field("amount_cents") < 200
    assert lake.read(RAW_TRANSACTIONS, D1, D2, columns=["user_id"], where=cheap).height == 3
    assert lake.read(RAW_TRANSACTIONS, D1, D2, where=~cheap).is_empty()
    with pytest.raises(FileNotFoundError):
        lake.read(RAW_TRANSACTIONS, D1, D3)


def test_two_days_replaced_at_once_both_succeed_or_one_is_told(lake: Lake):
    barrier = Barrier(3)

    def replace(day: date) -> str:
        barrier.wait()
        try:
            lake.replace_days(RAW_TRANSACTIONS, day, day + timedelta(days=1), payments(day, 4))
        except PredictFlowError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            said = list(pool.map(replace, (D1, D2, D3)))
            assert "" in said
            assert all(not text or "run it again" in text for text in said)
    for day in (D1, D2, D3):
        lake.replace_days(RAW_TRANSACTIONS, day, day + timedelta(days=1), payments(day, 4))
    assert counts(lake) == {D1: 4, D2: 4, D3: 4}


def test_the_same_day_replaced_at_once_is_one_of_the_two(lake: Lake):
    barrier = Barrier(2)
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 1))

    def replace(count: int) -> int | None:
        barrier.wait()
        try:
            lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, count))
        except PredictFlowError as error:
            assert "another writer was faster" in str(error)  # noqa: PT017 - the other succeeds
            return None
        return count

    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            done = [count for count in pool.map(replace, (3, 8)) if count]
            assert counts(lake)[D1] in done


def test_a_failing_write_leaves_the_old_data(lake: Lake):
    version = lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 5))
    log = Path(lake.uri(RAW_TRANSACTIONS)) / "_delta_log" / f"{version + 1:020}.json"
    log.mkdir()  # the commit can't put its file there
    with pytest.raises(PredictFlowError, match="table raw_transactions"):
        lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 9))
    log.rmdir()
    assert counts(lake) == {D1: 5}
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 9))
    assert counts(lake) == {D1: 9}


PROGRAM = """
import sys
from pathlib import Path
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, D2, payments
frame = payments(D1, 20_000, amount_cents=7)
print("ready", flush=True)
while True:
    Lake(Path(sys.argv[1])).replace_days(RAW_TRANSACTIONS, D1, D2, frame)
"""


def test_killed_while_replacing_the_table_is_whole_and_the_retry_clean(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 20_000))
    for delay in (0.005, 0.02, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path / "lake"],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = lake.read(RAW_TRANSACTIONS, D1, D2)
        assert found.height == 20_000
        assert found["amount_cents"].n_unique() == 1
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 3))
    assert counts(lake) == {D1: 3}


def test_where_a_table_is(tmp_path: Path):
    assert Lake(tmp_path).uri(RAW_TRANSACTIONS) == str(tmp_path / "raw_transactions")
    for root in ("s3://bucket/lake", "s3://bucket/lake/"):
        assert Lake(root).uri(RAW_TRANSACTIONS) == "s3://bucket/lake/raw_transactions"


@pytest.mark.parametrize("name", ["a b", "ü", "a#b", "100%", "a=b&c+d?"])
def test_a_path_may_have_odd_characters(tmp_path: Path, name: str):
    lake = Lake(tmp_path / name)
    lake.replace_days(RAW_TRANSACTIONS, D1, D2, payments(D1, 2))
    assert counts(lake) == {D1: 2}
    assert (tmp_path / name / "raw_transactions").is_dir()


@pytest.mark.parametrize("name", ["a%20b", "a[1]", "a^b", "a|b", "a\\b"])
def test_a_path_that_delta_lake_fails_on_is_refused(tmp_path: Path, name: str):
    with pytest.raises(PredictFlowError, match="set data_dir to another one"):
        Lake(tmp_path / name)
