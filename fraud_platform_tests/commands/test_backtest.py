"""`predictflow backtest`: the models that the assets would make, without making them."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import Result

from fraud_platform.commands import backtest
from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.world import FIRST, LAST, make

pytestmark = pytest.mark.usefixtures("short_window")
Document = Callable[..., dict[str, Any]]
Command = Callable[..., Result]
BEFORE = LAST - timedelta(days=1)
TOO_EARLY = FIRST + timedelta(days=25)  # the first window of 20 days ends a day later


def days(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The days without what a clock said."""
    return [{name: value for name, value in one.items() if name != "seconds"} for one in found]


@pytest.mark.usefixtures("tables")
def test_it_tests_the_models_that_the_assets_make(document: Document) -> None:
    found = document("backtest", "--from", BEFORE, "--to", LAST)
    for day in (BEFORE, LAST):
        make(["fraud_model", "evaluation_report"], day, day)
    recorded = document("backtest", "--from", BEFORE, "--to", LAST, "--from-registry")
    assert days(found["days"]) == days(recorded["days"])
    assert [one["day"] for one in found["days"]] == [str(BEFORE), str(LAST)]
    assert all(one["seconds"] > 0 for one in found["days"])
    assert {one["seconds"] for one in recorded["days"]} == {None}
    precisions = [one["average_precision"] for one in found["days"]]
    assert found["mean"]["average_precision"] == pytest.approx(sum(precisions) / 2)


@pytest.mark.usefixtures("tables")
def test_nothing_is_registered_or_deployed_or_left(document: Document, data_dir: Path) -> None:
    before = {path.name for path in data_dir.iterdir()}
    document("backtest", "--from", LAST, "--to", LAST)
    assert {path.name for path in data_dir.iterdir()} - before == {"backtests", "scratch"}
    assert list((data_dir / "scratch").iterdir()) == []


@pytest.mark.usefixtures("tables")
def test_a_day_that_cannot_be_trained_is_named_and_the_rest_goes_on(command: Command) -> None:
    done = command("backtest", "--from", TOO_EARLY, "--to", LAST, "--every", 4, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert [one["day"] for one in found["failed"]] == [str(TOO_EARLY)]
    assert "have no rows: 2026-02-28" in found["failed"][0]["reason"]
    assert [one["day"] for one in found["days"]] == [
        str(TOO_EARLY + timedelta(days=4)),
        str(TOO_EARLY + timedelta(days=8)),
    ]


def test_where_no_day_can_be_trained_the_status_is_1(
    tables: Lake, command: Command, data_dir: Path
) -> None:
    end = LAST + timedelta(days=1)
    labels = tables.read(TRANSACTION_LABELS, FIRST, end)
    tables.replace_days(
        TRANSACTION_LABELS, FIRST, end, labels.with_columns(is_fraud=pl.lit(value=False))
    )
    done = command("backtest", "--from", BEFORE, "--to", LAST, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["days"], found["mean"], len(found["failed"])) == ([], {}, 2)
    assert f"none of the 2 days has a model to test; {BEFORE}: " in done.stderr
    assert "both classes are needed" in done.stderr
    assert not (data_dir / "backtests").exists()


def test_a_registry_without_models_says_what_to_make(command: Command) -> None:
    done = command("backtest", "--from", LAST, "--to", LAST, "--from-registry")
    assert done.exit_code == 1
    assert f"no model was trained for {LAST}" in done.stderr
    assert "--select fraud_model" in done.stderr


@pytest.mark.usefixtures("tables")
def test_the_sizes_are_those_asked_for(document: Document) -> None:
    found = document(
        *("backtest", "--from", LAST, "--to", LAST),
        *("--train-days", 7, "--delay-days", 3, "--validation-days", 2, "--test-days", 5),
    )
    (one,) = found["days"]
    last = LAST - timedelta(days=7)
    test = last - timedelta(days=4)
    fit_end = test - timedelta(days=2 + 3 + 1)
    assert one["test"] == f"{test} to {last}"
    assert one["fit"] == f"{fit_end - timedelta(days=6)} to {fit_end}"


@pytest.mark.usefixtures("tables")
def test_the_rows_that_are_kept_between_windows_change_nothing(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = document("backtest", "--from", BEFORE, "--to", LAST)
    reads: list[date] = []
    real = backtest.feature_rows
    monkeypatch.setattr(
        backtest, "feature_rows", lambda *given: (reads.append(given[-1]), real(*given))[1]
    )
    document("backtest", "--from", BEFORE, "--to", LAST)
    assert len(reads) == 20 + 1
    monkeypatch.setattr(backtest, "KEPT_ROWS", 0)
    read_again = document("backtest", "--from", BEFORE, "--to", LAST)
    assert len(reads) == 21 + 2 * 20
    assert days(kept["days"]) == days(read_again["days"])


@pytest.mark.usefixtures("tables")
def test_page_picture_and_figures_are_written(
    command: Command, tmp_path: Path, data_dir: Path
) -> None:
    out = tmp_path / "out"
    done = command("backtest", "--from", BEFORE, "--to", LAST, "--out", out)
    assert done.exit_code == 0, done.output
    assert "mean" in done.stdout
    assert str(LAST) in done.stdout
    assert str(out / "backtest.html") in done.stdout
    assert (out / "backtest.png").read_bytes().startswith(b"\x89PNG")
    assert "transaction_labels" in (out / "backtest.html").read_text()
    table = pl.read_csv(out / "backtest.csv")
    found = json.loads((out / "backtest.json").read_text())
    assert table["day"].to_list() == [one["day"] for one in found["days"]]
    assert table["money_saved"].to_list() == [one["money_saved"] for one in found["days"]]
    command("backtest", "--from", LAST, "--to", LAST)
    assert (load_settings().data_dir / f"backtests/{LAST}_{LAST}/backtest.html").exists()


def test_a_folder_that_cannot_be_written_is_named(
    tables: Lake, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = command("backtest", "--from", LAST, "--to", LAST, "--out", tmp_path / "file" / "out")
    assert done.exit_code == 1
    assert "name another --out" in done.stderr


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--from", LAST, "--to", FIRST), 1, f"--to {FIRST} is before --from {LAST}"),
        (("--from", LAST, "--to", LAST, "--every", 0), 2, "--every"),
        (("--from", LAST, "--to", LAST, "--train-days", 0), 2, "--train-days"),
        (
            ("--from", LAST, "--to", LAST, "--from-registry", "--test-days", 3),
            2,
            "--test-days: models of the registry have the sizes they have",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: Command, options: tuple[object, ...], status: int, says: str
) -> None:
    done = command("backtest", *options)
    assert done.exit_code == status
    assert says in done.stderr
