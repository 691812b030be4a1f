"""The command as a person meets it: help, refusals, exit status, JSON."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fraud_platform.cli import main
from fraud_platform_tests.valkey_server import OwnValkeys
from fraud_platform_tests.world import FIRST, LAST, land_files, write_world

HEAVY = {"dagster", "polars", "pyarrow", "duckdb", "xgboost", "mlflow", "feast", "rich", "numpy"}


def predictflow(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fraud_platform.cli import main\n"
        "try: main(['--help'])\n"
        f"finally: print(sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for command in (
        "demo",
        "ingest",
        "simulate",
        "materialize",
        "serve",
        "doctor",
        "quarantine",
        "exporter",
    ):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command", ["demo", "ingest", "simulate", "materialize", "serve", "doctor", "exporter"]
)
def test_every_command_explains_itself(command: str) -> None:
    done = predictflow(command, "--help")
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 5


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2026-03-05", "2026-03-04", "--to 2026-03-04 is before --from 2026-03-05"),
        ("2025-01-01", "2026-03-04", "the partitions start on 2026-03-01"),
        ("2026-03-05", "2999-01-01", "the last whole day is"),
    ],
)
def test_a_range_outside_the_partitions_is_refused(start: str, end: str, says: str) -> None:
    done = predictflow("materialize", "--from", start, "--to", end)
    assert done.exit_code == 1
    assert says in done.stderr


def test_a_selection_of_no_known_asset_is_refused_with_a_hint() -> None:
    range_ = ("--from", str(FIRST), "--to", str(FIRST))
    done = predictflow("materialize", *range_, "--select", "raw_transaction")
    assert done.exit_code == 1
    assert "raw_transactions" in done.stderr
    assert "Traceback" not in done.output


def test_a_failed_step_gives_status_1_and_its_own_words(tmp_path: Path) -> None:
    land_files(write_world(tmp_path / "world.parquet"))
    days = ("--from", str(LAST), "--to", str(LAST))
    done = predictflow("materialize", *days, "--select", "fraud_model")
    assert done.exit_code == 1
    assert "fraud_model: " in done.stderr
    assert "predictflow materialize --from" in done.stderr


def test_days_are_made_and_said_in_json(tmp_path: Path) -> None:
    land_files(write_world(tmp_path / "world.parquet"))
    days = ("--from", str(FIRST), "--to", str(LAST))
    done = predictflow("materialize", *days, "--select", "group:tables", "--json")
    assert done.exit_code == 0, done.output
    (run,) = json.loads(done.stdout)["runs"]
    assert set(run["seconds"]) == {"raw_transactions", "transaction_labels", "prediction_log"}
    assert all(mib > 0 for mib in run["peak_mib"].values())


def test_the_doctor_of_a_new_installation_finds_no_fault() -> None:
    done = predictflow("doctor", "--json")
    assert done.exit_code == 0, done.output
    states = {one["about"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    assert states["data directory"] == "ok"
    assert states["live model"] == "none yet"
    assert "fault" not in states.values()


def test_the_doctor_says_what_is_stale_and_how_to_mend_it(tmp_path: Path) -> None:
    land_files(write_world(tmp_path / "world.parquet"))
    before = LAST - timedelta(days=2)
    days = ("--from", str(FIRST), "--to", str(before))
    predictflow("materialize", *days, "--select", "raw_transactions")
    done = predictflow("doctor", "--json")
    assert done.exit_code == 0
    findings = {one["about"]: one for one in json.loads(done.stdout)["findings"]}
    assert str(LAST) in findings["landed_events"]["says"]
    assert "predictflow ingest" in findings["landed_events"]["mend"]
    raw = findings["raw_transactions"]
    assert raw["state"] == "stale"
    assert raw["mend"] == (
        f"predictflow materialize --from {before + timedelta(days=1)} --to {LAST}"
    )


def test_the_doctor_finds_a_damaged_bundle(data_dir: Path) -> None:
    bundles = data_dir / "bundles"
    (bundles / "broken").mkdir(parents=True)
    (bundles / "champion").write_text("broken\n")
    done = predictflow("doctor")
    assert done.exit_code == 1
    assert "incomplete" in done.output


def test_the_doctor_finds_a_redis_that_drops_rows_when_it_is_full(
    own_valkey: OwnValkeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"maxmemory": "64mb", "maxmemory-policy": "volatile-lru"}
    monkeypatch.setenv("PREDICTFLOW_ONLINE_STORE", "redis")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_REDIS_URL", own_valkey(**options).url)

    done = predictflow("doctor", "--json")

    assert done.exit_code == 1
    findings = {one["about"]: one for one in json.loads(done.stdout)["findings"]}
    found = findings["online store"]
    assert found["state"] == "fault"
    assert "volatile-lru" in found["says"]
    assert "noeviction" in found["mend"]


def test_a_wrong_setting_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTFLOW_SERVING_PORT", "eighty")
    done = predictflow("doctor")
    assert done.exit_code == 1
    assert "PREDICTFLOW_SERVING_PORT" in done.stderr


def test_a_map_without_data_is_refused() -> None:
    done = predictflow("demo", "--map", "timestamp=paid_at")
    assert done.exit_code == 1
    assert "--data" in done.stderr
