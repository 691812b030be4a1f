"""`predictflow quarantine list` and `show`: what was rejected, why, and what became of it."""

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
    GOOD_LINE.replace(b"10.5", b"-1.50"),
]


@pytest.fixture
def ids(tmp_path: Path) -> list[str]:
    """Ids of the bad lines, landed from a file."""
    content = b"\n".join([GOOD_LINE, *BAD_LINES])
    source = write_bytes(tmp_path / "a.ndjson", content)
    landed = land(Lake(load_settings().lake_dir), source)
    return [f"{landed.source_id[:8]}:0:{offset}" for offset in range(1, 5)]


def test_an_empty_quarantine(command: Callable[..., Result]):
    assert command("quarantine", "list").stdout == "The quarantine is empty.\n"
    found = json.loads(command("quarantine", "list", "--json").stdout)
    assert found == {"open": 0, "resolved": 0, "reasons": {}, "records": []}


def test_each_record_is_listed_with_its_id_place_reason_and_bytes(
    document: Callable[..., Any], ids: list[str]
):
    found = document("quarantine", "list")
    assert (found["open"], found["resolved"]) == (4, 0)
    assert [one["id"] for one in found["records"]] == ids
    assert [(one["partition"], one["offset"]) for one in found["records"]] == [
        (0, offset) for offset in range(1, 5)
    ]
    assert {one["source"] for one in found["records"]} == {"a.ndjson"}
    raw = [line.decode("utf-8", "backslashreplace") for line in BAD_LINES]
    assert [one["raw"] for one in found["records"]] == raw
    assert found["reasons"]["amount … is not over … and up to …"] == 1
    assert sum(found["reasons"].values()) == 4
    assert len(document("quarantine", "list", "--limit", 2)["records"]) == 2


@pytest.mark.parametrize(
    ("chosen", "offsets"),
    [
        (["--reason", "NOT OVER"], [4]),
        (["--reason", "amount … is not over … and up to …"], [4]),
        (["--reason", "(?"], []),
        (["--source", "a.ndjson"], [1, 2, 3, 4]),
        (["--source", "a"], []),
        (["--source", "a.ndjson", "--reason", "utf-8"], [3]),
    ],
)
@pytest.mark.usefixtures("ids")
def test_the_list_is_narrowed_by_source_and_reason(
    document: Callable[..., Any], chosen: list[str], offsets: list[int]
):
    found = document("quarantine", "list", *chosen)
    assert [one["offset"] for one in found["records"]] == offsets


def test_resolved_records_are_listed_when_asked_for(
    document: Callable[..., Any], command: Callable[..., Result], ids: list[str]
):
    document("quarantine", "drop", ids[1], "--why", "line noise")
    assert [one["id"] for one in document("quarantine", "list")["records"]] == [
        one for one in ids if one != ids[1]
    ]
    found = document("quarantine", "list", "--all")
    assert [one["resolution"] for one in found["records"]] == [
        None, "dropped: line noise", None, None,
    ]  # fmt: skip
    assert (found["open"], found["resolved"]) == (3, 1)
    shown = command("quarantine", "list", "--all").stdout
    assert "3 open, 1 resolved" in shown
    assert "line noise" in shown
    document("quarantine", "drop", "--all", "--why", "the rest")
    assert "4 were replayed or dropped" in command("quarantine", "list").stdout


def test_the_table_obeys_nothing_that_stands_in_a_record(
    command: Callable[..., Result], ids: list[str]
):
    for arguments in (["list"], *(["show", id_] for id_ in ids), ["drop", "--all", "--why", "[/]"]):
        result = command("quarantine", *arguments)
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.stdout
    result = command("quarantine", "list", "--all")
    assert "[/red]" in result.stdout
    assert "[/]" in result.stdout


def test_show_gives_everything_about_one_record(
    document: Callable[..., Any], command: Callable[..., Result], ids: list[str]
):
    found = document("quarantine", "show", ids[3])
    assert found["source_id"].startswith(ids[3][:8])
    assert "not over 0" in found["reason"]
    assert found["raw"] == BAD_LINES[3].decode()
    assert found["resolution"] is None
    shown = command("quarantine", "show", ids[3]).stdout
    assert '\n    "amount": -1.50,\n' in shown
    assert "caf\\xe9" in command("quarantine", "show", ids[2]).stdout
    for id_, line in zip(ids, BAD_LINES, strict=True):
        assert command("quarantine", "show", id_, "--raw").stdout_bytes == line


def test_an_id_needs_only_so_much_of_its_source_as_is_unambiguous(
    command: Callable[..., Result], document: Callable[..., Any], tmp_path: Path, ids: list[str]
):
    full = document("quarantine", "show", ids[0])["source_id"]
    for prefix in (full, full[:3]):
        assert document("quarantine", "show", f"{prefix}:0:1")["id"] == ids[0]
    other = write_bytes(tmp_path / "b.ndjson", b"\n".join([GOOD_LINE, b"junk"]))
    land(Lake(load_settings().lake_dir), other)
    result = command("quarantine", "show", ":0:1")
    assert result.exit_code == 1
    assert "fits several records" in result.stderr
    assert f"{full}:0:1" in result.stderr


@pytest.mark.parametrize(
    ("id_", "says"),
    [
        ("1234", "'1234' is no id of a record"),
        ("a:b:c", "'a:b:c' is no id of a record"),
        ("zz:0:1", "has no record zz:0:1"),
        (":0:0", "has no record :0:0"),
    ],
)
@pytest.mark.usefixtures("ids")
def test_an_unknown_id_is_refused(command: Callable[..., Result], id_: str, says: str):
    for arguments in (["show", id_], ["replay", id_], ["drop", id_, "--why", "x"]):
        result = command("quarantine", *arguments)
        assert result.exit_code == 1
        assert says in result.stderr
