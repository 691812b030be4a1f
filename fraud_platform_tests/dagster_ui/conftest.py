"""A small world, landed and made into raw transactions, and a `dagster dev` over it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fraud_platform_tests.dagster_ui.process import CHECKOUT, DagsterDev, environment

FIRST, LAST = "2026-03-01", "2026-03-06"
# What features of later days look back on is made for the days before them.
MADE = "raw_transactions,daily_tiles,transaction_habits"


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """`dagster dev` on six days of some 200 transactions, with what features look back on."""
    data_dir = tmp_path_factory.mktemp("dagster_ui") / "data"
    data_dir.mkdir()
    shutil.copy(CHECKOUT / "dagster.yaml", data_dir)
    world = str(data_dir / "world.parquet")
    small = ["--days", "6", "--users", "60", "--merchants", "20", "--per-day", "200"]
    for command in (
        ["simulate", "--out", world, "--start", FIRST, *small],
        ["ingest", world],
        ["materialize", "--from", FIRST, "--to", LAST, "--select", MADE],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "fraud_platform", *command],
            cwd=CHECKOUT,
            env=environment(data_dir),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    process = DagsterDev(data_dir)
    try:
        process.wait("the webserver answers", process.answers)
        yield process
    finally:
        process.stop()
