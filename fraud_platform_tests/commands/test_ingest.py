"""`predictflow ingest` lands files and records their days in Dagster's history."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import Result

from fraud_platform.commands import dagster_run
from fraud_platform.commands import ingest as ingest_command
from fraud_platform.ingest import batches
from fraud_platform.settings import load_settings
from fraud_platform_tests.ingest.payments import GOOD, payments, write, write_bytes

Command = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
BOTH_DAYS = {"2026-03-01", "2026-03-02"}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening Dagster's instance sets these for the process."""
    for name in ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "PREDICTFLOW_DAGSTER_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def recorded() -> dict[str, int]:
    """How often each day of landed_events was recorded as materialised."""
    with dagster_run.instance(load_settings()) as on:
        found = on.fetch_materializations(KEY, limit=100).records
    return Counter(record.partition_key or "" for record in found)


KEY = dg.AssetKey("landed_events")


def test_what_was_landed_is_counted_and_recorded(document: Document, tmp_path: Path):
    first = write(payments(10), tmp_path / "a.csv.gz")
    labels = pl.DataFrame(
        {"transaction_id": ["t1"], "is_fraud": [1], "labelled_at": ["2026-03-05T00:00:00Z"]}
    )
    (found,) = document("ingest", first)["files"]
    assert (found["transactions"], found["labels"], found["rejected"]) == (10, 10, 0)
    assert found["days"] == {"2026-03-01": 5, "2026-03-02": 5}
    (found,) = document("ingest", first)["files"]
    assert (found["transactions"], found["skipped"]) == (0, 10)
    (found,) = document("ingest", "--labels", write(labels, tmp_path / "l.csv"))["files"]
    assert (found["transactions"], found["labels"], found["days"]) == (0, 1, {})
    assert recorded() == dict.fromkeys(BOTH_DAYS, 1)


def test_files_before_a_refused_one_are_landed_and_recorded(command: Command, tmp_path: Path):
    result = command("ingest", write(payments(4), tmp_path / "a.csv"), tmp_path / "none.csv")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"predictflow: {tmp_path / 'none.csv'}: no such file\n")
    assert set(recorded()) == BOTH_DAYS


def test_days_of_a_killed_run_are_recorded_by_the_next(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batches, "BATCH_ROWS", 1)
    path = write(payments(2), tmp_path / "a.csv")
    with monkeypatch.context() as patched:
        patched.setattr(ingest_command, "_record", lambda *_: None)
        document("ingest", path)
    assert set(recorded()) == set()
    document("ingest", path)
    document("ingest", path)
    assert recorded() == dict.fromkeys(BOTH_DAYS, 1)


def test_the_table_names_the_reasons_and_where_to_see_more(command: Command, tmp_path: Path):
    rows = [GOOD, GOOD | {"amount": -1.5}, GOOD | {"is_fraud": "[/red]"}]
    content = b"\n".join(json.dumps(row).encode() for row in rows)
    result = command("ingest", write_bytes(tmp_path / "a.ndjson", content))
    assert result.exit_code == 0, result.output
    assert "1 x amount … is not over" in result.stdout
    assert "predictflow quarantine list" in result.stdout
