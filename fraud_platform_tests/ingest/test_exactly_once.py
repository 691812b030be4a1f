"""Each record lands once, however often, by whomever and in whatever packing it is landed."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest import batches
from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings
from fraud_platform_tests.ingest.payments import (
    land,
    landed_rows,
    payments,
    write,
)

CHECKOUT = Path(__file__).parents[2]
ROWS = 600
PROGRAM = """
import sys
from pathlib import Path
from fraud_platform.ingest import batches
from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.mapping import parse_map
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
batches.BATCH_ROWS = int(sys.argv[2])
settings = load_settings()
print("ready", flush=True)
report = lambda _stage, rows, _total: print(rows, flush=True)
land(settings, Lake(settings.lake_dir), Path(sys.argv[1]), parse_map([]), report)
"""


def each_once(lake: Lake, count: int = ROWS) -> bool:
    return all(
        landed_rows(lake, kind)["offset"].to_list() == list(range(count))
        for kind in ("transaction", "label")
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson.zst"])
def test_landing_a_file_again_adds_nothing(lake: Lake, tmp_path: Path, suffix: str):
    path = write(payments(30), tmp_path / f"a{suffix}")
    land(lake, path)
    version = lake.version(LANDED_EVENTS)
    again = land(lake, path)
    assert (again.skipped, again.transactions, again.labels, again.rejected) == (30, 0, 0, 0)
    assert lake.version(LANDED_EVENTS) == version


def test_a_source_is_its_content_whatever_its_name_and_packing(lake: Lake, tmp_path: Path):
    land(lake, write(payments(30), tmp_path / "a.csv"))
    for name in ("b.csv.gz", "c.csv.zst", "d.csv"):
        assert land(lake, write(payments(30), tmp_path / name)).skipped == 30
    assert land(lake, write(payments(31), tmp_path / "a.csv")).skipped == 0


def test_the_order_of_a_map_and_names_that_map_to_themselves_make_no_other_source(
    lake: Lake, tmp_path: Path
):
    path = write(payments(30).rename({"user_id": "card"}), tmp_path / "a.csv")
    land(lake, path, "user_id=card", "amount=amount")
    assert land(lake, path, "timestamp=timestamp,user_id=card").skipped == 30


@pytest.mark.parametrize(("before", "after"), [(7, 10), (10, 7), (7, 1_000), (25, 6)])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_another_batch_size_goes_on_where_the_last_one_stopped(
    lake: Lake,
    tmp_path: Path,
    suffix: str,
    before: int,
    after: int,
    monkeypatch: pytest.MonkeyPatch,
):
    path = write(payments(40), tmp_path / f"a{suffix}")
    monkeypatch.setattr(batches, "BATCH_ROWS", before)
    append, left = Lake.append, [1]

    def fail_later(*args: object, **kwargs: object) -> int:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return append(*args, **kwargs)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Lake, "append", fail_later)
    with pytest.raises(KeyboardInterrupt):
        land(lake, path)
    monkeypatch.setattr(Lake, "append", append)
    monkeypatch.setattr(batches, "BATCH_ROWS", after)
    landed = land(lake, path)
    assert (landed.skipped, landed.transactions) == (before, 40 - before)
    assert each_once(lake, 40)


def start(
    path: Path, data_dir: Path, batch_rows: int = 20, before: str = ""
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, path, str(batch_rows)],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "PREDICTFLOW_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
def test_a_process_killed_at_any_moment_goes_on_without_loss_or_double(
    tmp_path: Path, data_dir: Path, suffix: str
):
    path = write(payments(ROWS), tmp_path / f"a{suffix}")
    chance = random.Random(suffix)
    for _ in range(3):
        process = start(path, data_dir, batch_rows=10)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 9)):  # of sixty commits
            process.stdout.readline()
        time.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    lake = Lake(data_dir / "lake")
    last = start(path, data_dir, batch_rows=1_000)
    assert last.communicate()[1] == ""
    assert last.returncode == 0
    assert each_once(lake)
    assert str(read_first_day(Settings(data_dir=data_dir))) == "2026-03-01"


def test_two_processes_at_once_leave_each_record_once(tmp_path: Path, data_dir: Path):
    path = write(payments(ROWS), tmp_path / "a.ndjson")
    both = [start(path, data_dir) for _ in range(2)]
    ends = [(process.communicate()[1], process.returncode) for process in both]
    assert 0 in [code for _, code in ends]
    for said, code in ends:
        assert code == 0 or "another writer" in said
    assert each_once(Lake(data_dir / "lake"))


def test_of_two_writers_of_a_position_one_is_refused(lake: Lake, tmp_path: Path):
    path = write(payments(20), tmp_path / "a.csv")

    def attempt(_: int) -> bool:
        try:
            land(lake, path)
        except PredictFlowError as error:
            assert "another writer" in str(error)  # noqa: PT017 - the others succeed
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(attempt, range(4)))
    assert each_once(lake, 20)


def test_the_position_outlives_a_checkpoint(lake: Lake, tmp_path: Path):
    path = write(payments(30), tmp_path / "a.csv")
    land(lake, path)
    delta = lake.open(LANDED_EVENTS)
    assert delta is not None
    delta.create_checkpoint()
    assert land(lake, path).skipped == 30


FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
"""


def test_where_a_file_cannot_be_written_nothing_is_landed_and_the_retry_lands_all(
    tmp_path: Path, data_dir: Path
):
    """A limit on the size of files stands in for a full disk: writing fails in its middle."""
    path = write(payments(ROWS), tmp_path / "a.parquet")
    failed = start(path, data_dir, batch_rows=ROWS, before=FULL_DISK)
    said = failed.communicate()[1]
    assert failed.returncode == 1
    assert "UnavailableError: table landed_events: the rows can't be written" in said
    lake = Lake(data_dir / "lake")
    assert landed_rows(lake, "transaction").is_empty()
    again = start(path, data_dir, batch_rows=ROWS)
    assert again.communicate()[1] == ""
    assert each_once(lake)
