"""Late rows under `dagster dev`: the sensor is turned on, and its daemon does the rest."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform_tests.dagster_ui.process import CHECKOUT, DagsterDev, environment
from fraud_platform_tests.faults.late_world import late_days_until
from fraud_platform_tests.world import TABLES, land_files, make

FIRST, LATE, LAST = date(2026, 3, 1), date(2026, 3, 4), date(2026, 3, 6)
SETTINGS = {"INGEST_LATE_DAYS": str(late_days_until(FIRST))}
START = """
mutation($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename }
}"""
RUNS = """
{ runsOrError { ... on Runs { results {
  jobName status assetSelection { path } tags { key value }
} } } }"""


def predictflow(data_dir: Path, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fraud_platform", *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment(data_dir, **SETTINGS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def parts(tmp_path: Path, data_dir: Path) -> tuple[Path, Path]:
    """Files with labels: what came in time, and a fifth of one day that came late."""
    world = tmp_path / "world.parquet"
    small = ("--days", 6, "--users", 60, "--merchants", 20, "--per-day", 200)
    predictflow(data_dir, "simulate", "--out", world, "--start", FIRST, *small)
    frame = pl.read_parquet(world)
    late = (pl.col("timestamp").dt.date() == LATE) & (pl.col("transaction_id").hash(1) % 5 == 0)
    frame.filter(~late).write_parquet(tmp_path / "in_time.parquet")
    frame.filter(late).write_parquet(tmp_path / "late.parquet")
    return tmp_path / "in_time.parquet", tmp_path / "late.parquet"


@pytest.fixture
def dev(data_dir: Path, parts: tuple[Path, Path]) -> Iterator[DagsterDev]:
    """Everything made of what came in time, then the rest landed; Dagster is up, no sensor on."""
    data_dir.mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / "dagster.yaml", data_dir)
    in_time, late = parts
    predictflow(data_dir, "ingest", in_time)
    days = ("--from", FIRST, "--to", LAST)
    predictflow(data_dir, "materialize", *days, "--select", ",".join(TABLES))
    predictflow(data_dir, "ingest", late)
    process = DagsterDev(data_dir, **SETTINGS)
    try:
        process.wait("the webserver answers", process.answers)
        yield process
    finally:
        process.stop()


def requested(dev: DagsterDev) -> dict[str, tuple[str, str, str, str]]:
    """The runs that the sensor asked for, by their last asset: job, status, first and last day."""
    found: list[dict[str, Any]] = dev.graphql(RUNS)["runsOrError"]["results"]
    runs = [(one, {tag["key"]: tag["value"] for tag in one["tags"]}) for one in found]
    return {
        max((key["path"][0] for key in one["assetSelection"]), key=TABLES.index): (
            one["jobName"],
            one["status"],
            tags["dagster/asset_partition_range_start"],
            tags["dagster/asset_partition_range_end"],
        )
        for one, tags in runs
        if "dagster/sensor_name" in tags
    }


def succeeded(dev: DagsterDev, asset: str) -> bool:
    run = requested(dev).get(asset)
    return run is not None and run[1] == "SUCCESS"


@pytest.mark.timeout(900)
def test_the_daemon_makes_the_late_day_and_what_follows_again(
    dev: DagsterDev,
    parts: tuple[Path, Path],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selector = {
        "repositoryLocationName": "predictflow",
        "repositoryName": "__repository__",
        "sensorName": "late_transactions",
    }
    assert dev.graphql(START, sensor=selector)["startSensor"]["__typename"] == "Sensor"
    for asset in ("raw_transactions", "transaction_labels", "transaction_features"):
        dev.wait(f"{asset} is made again", lambda name=asset: succeeded(dev, name))
    labelled = str(LATE + timedelta(days=1))
    assert requested(dev) == {
        "raw_transactions": ("late_transactions", "SUCCESS", str(LATE), str(LATE)),
        "transaction_labels": ("what_follows", "SUCCESS", labelled, labelled),
        "transaction_features": ("what_follows", "SUCCESS", str(LATE), str(LAST)),
    }

    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "fresh"))
    monkeypatch.setenv("PREDICTFLOW_LABELS_MATURITY_DAYS", "1")
    fresh = land_files(*parts)
    make(TABLES, FIRST, LAST)
    for table in (RAW_TRANSACTIONS, TRANSACTION_LABELS, TRANSACTION_FEATURES):
        span = (FIRST, LAST + timedelta(days=1))
        assert Lake(data_dir / "lake").read(table, *span).equals(fresh.read(table, *span))
