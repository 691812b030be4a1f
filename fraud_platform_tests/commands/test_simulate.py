"""`predictflow simulate` writes a world whole or not at all, in each format the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import Result
from polars.testing import assert_frame_equal

from fraud_platform.commands import simulate as simulate_command
from fraud_platform.lake.store import Lake
from fraud_platform.simulator import simulate
from fraud_platform_tests.ingest.payments import land, landed_rows

SMALL = ("--days", 2, "--users", 50, "--merchants", 10, "--per-day", 200, "--fraud-share", 0.05)
FORMATS = (".parquet", ".ndjson", ".csv")


def test_every_format_lands_as_the_same_transactions(document: Callable[..., Any], tmp_path: Path):
    worlds = []
    for suffix in FORMATS:
        out = tmp_path / f"world{suffix}"
        said = document("simulate", "--out", out, *SMALL)
        lake = Lake(tmp_path / f"lake{suffix}")
        landed = land(lake, out)
        assert (landed.transactions, landed.rejected) == (said["rows"], 0)
        labels = landed_rows(lake, "label")
        assert labels["is_fraud"].sum() == said["frauds"] > 0
        worlds.append((landed_rows(lake, "transaction"), labels))
    for transactions, labels in worlds[1:]:
        assert_frame_equal(transactions, worlds[0][0])
        assert_frame_equal(labels, worlds[0][1])


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_aborted_write_leaves_nothing_behind_and_the_former_file(
    command: Callable[..., Result], tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    def one_day_then_abort(config: Any) -> Iterator[pl.DataFrame]:
        yield next(iter(simulate(config)))
        raise KeyboardInterrupt

    out = tmp_path / f"world{suffix}"
    out.write_text("former")
    monkeypatch.setattr(simulate_command, "simulate", one_day_then_abort)
    assert command("simulate", "--out", out, *SMALL).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "former"


@pytest.mark.parametrize("name", ["world", "world.xlsx", "world.csv.gz"])
def test_an_unknown_suffix_is_refused(command: Callable[..., Result], tmp_path: Path, name: str):
    result = command("simulate", "--out", tmp_path / name, *SMALL)
    assert result.exit_code == 1
    assert "use .parquet, .ndjson or .csv" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_place_that_cannot_be_written_to_is_named(
    command: Callable[..., Result], tmp_path: Path, suffix: str
):
    out = tmp_path / "none" / f"world{suffix}"
    result = command("simulate", "--out", out, *SMALL)
    assert result.exit_code == 1
    assert f"predictflow: can't write {out}: " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_world_that_cannot_be_is_refused(command: Callable[..., Result], tmp_path: Path):
    result = command("simulate", "--out", tmp_path / "world.csv", "--days", 0)
    assert result.exit_code == 1
    assert "days" in result.stderr
    assert list(tmp_path.iterdir()) == []
