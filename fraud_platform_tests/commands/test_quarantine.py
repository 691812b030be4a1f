"""`predictflow quarantine list` shows what was rejected, and why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.ingest.payments import GOOD, land, write_bytes

GOOD_LINE = json.dumps(GOOD).encode()
BAD_LINES = [
    b'{"amount": "[/red]"}',
    b"\x1b[31m" + b"x" * 300,
    GOOD_LINE.replace(b"u0", b"caf\xe9"),
]


@pytest.fixture
def landed(tmp_path: Path) -> None:
    content = b"\n".join([GOOD_LINE, *BAD_LINES])
    land(Lake(load_settings().lake_dir), write_bytes(tmp_path / "a.ndjson", content))


def test_an_empty_quarantine(command: Callable[..., Result]):
    assert command("quarantine", "list").stdout == "The quarantine is empty.\n"
    assert json.loads(command("quarantine", "list", "--json").stdout) == {
        "rejected": 0,
        "records": [],
    }


@pytest.mark.usefixtures("landed")
def test_each_record_is_shown_with_offset_reason_and_bytes(document: Callable[..., Any]):
    found = document("quarantine", "list")
    assert found["rejected"] == 3
    assert [one["offset"] for one in found["records"]] == [1, 2, 3]
    assert {one["source"] for one in found["records"]} == {"a.ndjson"}
    assert all(one["reason"] for one in found["records"])
    raw = [line.decode("utf-8", "backslashreplace") for line in BAD_LINES]
    assert [one["raw"] for one in found["records"]] == raw
    assert len(document("quarantine", "list", "--limit", 2)["records"]) == 2


@pytest.mark.usefixtures("landed")
def test_the_table_obeys_nothing_that_stands_in_a_record(command: Callable[..., Result]):
    result = command("quarantine", "list")
    assert result.exit_code == 0, result.output
    assert "3 of 3 rejected" in result.stdout
    assert "[/red]" in result.stdout
    assert "\x1b" not in result.stdout
