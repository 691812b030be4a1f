"""Rows 1 and 2: an ingester that is killed at any moment leaves each offset once."""

import os
import random
import time
from pathlib import Path

import polars as pl

from benchmarks.soak_ingest import soak
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform_tests.followers import Ingester, lake, landed, places, sent, transaction
from fraud_platform_tests.kafka_broker import Record, Topics

RECORDS = 20_000


def files(folder: Path) -> set[str]:
    """Data files of a table, finished or half-written."""
    found: set[str] = set()
    for at, _, names in os.walk(folder):
        if "_delta_log" not in at:
            found |= {name for name in names if ".parquet" in name}
    return found


def orphans() -> int:
    """Data files that no version of the table speaks of: rows whose commit never came."""
    delta = lake().open(LANDED_EVENTS)
    assert delta is not None
    known = {Path(uri).name for uri in delta.file_uris()}
    return len(files(Path(lake().uri(LANDED_EVENTS))) - known)


def rows_are_what_the_positions_say() -> None:
    """Each partition's rows are those below its position: no commit is there by half."""
    rows = landed("source_id", "partition", "offset")
    counted = rows.group_by("source_id", "partition").agg(
        rows=pl.len(), unique=pl.col("offset").n_unique(), end=pl.col("offset").max() + 1
    )
    names = [f"kafka/{topic}/{number}" for topic, number, *_ in counted.rows()]
    stands = lake().appender(LANDED_EVENTS).positions(*names)
    ends = [(end, end, end) for end in stands.values()]
    assert counted.select("rows", "unique", "end").rows() == ends


def test_killed_between_writing_rows_and_recording_offsets(topics: Topics, tmp_path: Path):
    """Killed as soon as a new data file is there: in the midst of writing, or before the commit."""
    topics.produce(
        "transactions", [Record(transaction(n), partition=n % 3) for n in range(RECORDS)]
    )
    folder = Path(lake().uri(LANDED_EVENTS))
    chance = random.Random(1)
    left = 0
    for number in range(12):
        ingester = Ingester(log=tmp_path / f"log{number}", PREDICTFLOW_INGEST_BATCH_ROWS="500")
        for _ in range(chance.randrange(1, 4)):
            before = files(folder)
            while files(folder) <= before and ingester.process.poll() is None:
                time.sleep(0.0002)
        assert ingester.process.poll() is None, "it was done before it could be killed"
        ingester.kill()
        rows_are_what_the_positions_say()
        left = max(left, orphans())
        if left >= 3:
            break
    assert left >= 3, "no kill hit the time between rows and commit"
    rest = Ingester(log=tmp_path / "last").outcome()
    assert 0 < rest["transactions"] < RECORDS
    assert places() == sent(topics)
    assert landed("transaction_id")["transaction_id"].n_unique() == RECORDS


def test_followers_killed_at_random_leave_each_record_once(kafka_broker: str, tmp_path: Path):
    figures = soak(kafka_broker, tmp_path, count=10_000, kills=3, seed=4)
    assert figures["difference"] == 0
    assert figures["produced"] == 10_000
    assert figures["landed"] + figures["quarantined"] == 10_000
    assert figures["quarantined"] > 50
    assert figures["duplicates"] > 50
    assert figures["rebalances"] >= 2
