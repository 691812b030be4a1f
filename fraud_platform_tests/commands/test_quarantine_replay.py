"""`predictflow quarantine replay` and `drop`: the ways out of the quarantine."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from fraud_platform.cli import main
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS
from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.ingest.payments import GOOD, land, landed_rows, write, write_bytes
from fraud_platform_tests.world import make

Command = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
DAY = date(2026, 3, 1)
RENAMED = {name: value for name, value in GOOD.items() if name != "timestamp"}
BAD = [
    GOOD | {"transaction_id": "t1", "amount": -10.5, "is_fraud": True},
    RENAMED
    | {"transaction_id": "t2", "paid_at": "2026-02-28T23:59:59Z", "n": 12345678901234567890},
    GOOD | {"transaction_id": "t3", "amount": 0},
]


@pytest.fixture
def lake() -> Lake:
    return Lake(load_settings().lake_dir)


@pytest.fixture
def ids(lake: Lake, tmp_path: Path) -> list[str]:
    """Ids of the bad records, and of a line that is no JSON, landed from a file."""
    lines = [json.dumps(row).encode() for row in (GOOD, *BAD)]
    landed = land(lake, write_bytes(tmp_path / "a.ndjson", b"\n".join([*lines, b"junk"])))
    assert landed.rejected == 4
    return [f"{landed.source_id[:8]}:0:{offset}" for offset in range(1, 5)]


def states(document: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["state"] for one in document["records"]}


def failing(command: Command, *arguments: object) -> dict[str, Any]:
    """The document of a command in which a record still fails."""
    result = command("quarantine", *arguments, "--json")
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


def test_a_corrected_record_lands_where_it_was_rejected(
    document: Document, lake: Lake, ids: list[str]
):
    found = document("quarantine", "replay", ids[0], "--set", "amount=12.5")
    assert states(found) == {ids[0]: "replayed"}
    assert found["records"][0]["says"] == (
        "transaction t1 of 2026-03-01 and label t1 of 2026-03-08"
    )
    (_, replayed) = landed_rows(lake, "transaction").iter_rows(named=True)
    assert replayed["transaction_id"] == "t1"
    assert (replayed["event_date"], replayed["amount_cents"]) == (DAY, 1250)
    assert (replayed["partition"], replayed["offset"]) == (0, 1)
    assert landed_rows(lake, "label")["is_fraud"].to_list() == [False, True]
    (resolved,) = landed_rows(lake, "resolved").iter_rows(named=True)
    assert resolved["event_date"] == datetime.now(UTC).date()
    assert (resolved["partition"], resolved["offset"]) == (0, 1)
    assert resolved["reason"] == "replayed --set amount=12.5"
    shown = document("quarantine", "show", ids[0])
    assert shown["resolution"] == "replayed --set amount=12.5"
    assert json.loads(shown["raw"]) == BAD[0]
    assert json.loads(shown["corrected"]) == BAD[0] | {"amount": 12.5}


def test_a_record_that_still_fails_stays_open_and_says_why(
    command: Command, document: Document, lake: Lake, ids: list[str]
):
    version = lake.version(LANDED_EVENTS)
    found = failing(command, "replay", "--all")
    assert list(states(found).items()) == [(id_, "failed") for id_ in ids]
    says = {one["id"]: one["says"] for one in found["records"]}
    assert "amount -10.5 is not over 0" in says[ids[0]]
    assert "`timestamp` (a field of another name is taken with --rename" in says[ids[1]]
    assert "--record" in says[ids[3]]
    assert lake.version(LANDED_EVENTS) == version
    assert document("quarantine", "list")["open"] == 4


def test_many_records_are_corrected_at_once_and_the_rest_stays(
    command: Command, document: Document, lake: Lake, ids: list[str]
):
    how = ["--rename", "paid_at=timestamp", "--remove", "device_id", "--set", "amount=7.25"]
    found = failing(command, "replay", "--source", "a.ndjson", *how)
    assert (found["replayed"], found["failed"]) == (3, 1)
    rows = landed_rows(lake, "transaction").filter(pl.col("offset") > 0)
    assert rows["transaction_id"].to_list() == ["t1", "t2", "t3"]
    assert rows["device_id"].to_list() == [None, None, None]
    assert rows["event_date"].to_list() == [DAY, date(2026, 2, 28), DAY]
    assert read_first_day(load_settings()) == date(2026, 2, 28)
    (left,) = document("quarantine", "list")["records"]
    assert left["id"] == ids[3]
    corrected = document("quarantine", "show", ids[1])["corrected"]
    assert '"n":12345678901234567890' in corrected.replace(" ", "")


def test_a_replay_lands_a_record_once(command: Command, lake: Lake, ids: list[str]):
    again = ("quarantine", "replay", ids[0], ids[0], "--set", "amount=1")
    assert command(*again).exit_code == 0
    version = lake.version(LANDED_EVENTS)
    result = command(*again)
    assert result.exit_code == 1
    assert f"record {ids[0]} is not open any more: replayed" in result.stderr
    assert command("quarantine", "drop", ids[0], "--why", "x").exit_code == 1
    assert lake.version(LANDED_EVENTS) == version
    assert landed_rows(lake, "transaction")["transaction_id"].to_list() == ["t0", "t1"]


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    document: Document, command: Command, lake: Lake, ids: list[str]
):
    version = lake.version(LANDED_EVENTS)
    fix = ("quarantine", "replay", ids[0], "--set", "amount=1", "--dry-run")
    found = document(*fix)
    assert (found["dry_run"], states(found)) == (True, {ids[0]: "replayed"})
    assert "nothing was written" in command(*fix).stdout
    assert lake.version(LANDED_EVENTS) == version
    assert read_first_day(load_settings()) is None


def test_a_whole_record_is_given_anew(
    document: Document, lake: Lake, ids: list[str], tmp_path: Path
):
    path = write_bytes(tmp_path / "one.json", json.dumps(GOOD | {"transaction_id": "a"}).encode())
    document("quarantine", "replay", ids[3], "--record", path)
    given = json.dumps(GOOD | {"transaction_id": "b"}, indent=2)
    arguments = ["quarantine", "replay", ids[2], "--record", "-"]
    assert CliRunner().invoke(main, arguments, input=given + "\n").exit_code == 0
    rows = landed_rows(lake, "transaction")
    assert rows["transaction_id"].to_list() == ["t0", "b", "a"]


def test_labels_of_a_file_are_replayed_as_labels(
    command: Command, document: Document, lake: Lake, tmp_path: Path
):
    good = {"transaction_id": "t1", "is_fraud": True, "labelled_at": "2026-03-05T00:00:00Z"}
    rows = [good, good | {"transaction_id": "t2", "labelled_at": "soon"}]
    content = b"\n".join(json.dumps(row).encode() for row in rows)
    land(lake, write_bytes(tmp_path / "l.ndjson", content), kind="labels")
    fix = ("replay", "--all", "--set", 'labelled_at="2026-03-06T00:00:00Z"')
    (found,) = failing(command, *fix)["records"]
    assert "a label of a file with --labels" in found["says"]
    document("quarantine", *fix, "--labels")
    labels = landed_rows(lake, "label").select("transaction_id", "event_date", "label_source")
    assert labels.rows()[1] == ("t2", date(2026, 3, 6), "file")


def test_a_parquet_time_without_a_zone_is_utc_as_it_was_on_landing(
    document: Document, lake: Lake, tmp_path: Path
):
    frame = pl.DataFrame([GOOD, GOOD | {"transaction_id": "t1", "amount": -1.0}]).with_columns(
        timestamp=pl.lit(datetime(2026, 3, 1, 12))  # noqa: DTZ001 - that is the point
    )
    land(lake, write(frame, tmp_path / "a.parquet"))
    document("quarantine", "replay", "--all", "--set", "amount=1")
    good, replayed = landed_rows(lake, "transaction")["timestamp_us"]
    assert good == replayed


def test_dropped_records_are_closed_without_landing(
    document: Document, command: Command, lake: Lake, ids: list[str]
):
    found = document("quarantine", "drop", "--reason", "is not over", "--why", "tests of a till")
    assert states(found) == {ids[0]: "dropped", ids[2]: "dropped"}
    assert landed_rows(lake, "transaction").height == 1
    assert landed_rows(lake, "resolved")["reason"].to_list() == ["dropped: tests of a till"] * 2
    assert landed_rows(lake, "rejected").height == 4
    assert command("quarantine", "drop", "--all").exit_code == 2
    assert "--why is empty" in command("quarantine", "drop", "--all", "--why", " ").stderr
    assert document("quarantine", "list")["open"] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no records are named"),
        (["1a:0:0", "--all"], "not both"),
        (["--source", "b.csv"], "chosen by --source 'b.csv'"),
        (["--reason", "nothing"], "chosen by --reason 'nothing'"),
        (["--all", "--set", "amount"], "'amount' is not of the form FIELD=JSON_VALUE"),
        (["--all", "--set", "user_id=u1"], "'u1' is no JSON value"),
        (["--all", "--rename", "=x"], "'=x' is not of the form OLD=NEW"),
        (["--all", "--record", "-"], "--record is empty"),
    ],
)
@pytest.mark.usefixtures("ids")
def test_what_cant_be_done_is_refused_by_name(command: Command, arguments: list[str], says: str):
    result = command("quarantine", "replay", *arguments)
    assert result.exit_code == 1
    assert says in result.stderr


@pytest.mark.usefixtures("ids")
def test_a_whole_record_is_for_one_id_alone(command: Command, tmp_path: Path):
    path = write_bytes(tmp_path / "one.json", json.dumps(GOOD).encode())
    result = command("quarantine", "replay", "--all", "--record", path)
    assert "--record is one record, but 4 are chosen" in result.stderr
    result = command("quarantine", "replay", "--all", "--record", path, "--set", "amount=1")
    assert "no --set, --rename, --remove, --quote" in result.stderr


def test_the_made_day_takes_the_replayed_records_in(document: Document, lake: Lake, ids: list[str]):
    make(["raw_transactions"], DAY, DAY)
    document("quarantine", "replay", ids[0], ids[2], "--set", "amount=80")
    make(["raw_transactions"], DAY, DAY)
    made = lake.read(RAW_TRANSACTIONS, DAY, date(2026, 3, 2))
    assert made["transaction_id"].to_list() == ["t0", "t1", "t3"]
    assert made["amount_cents"].to_list() == [1050, 8000, 8000]
