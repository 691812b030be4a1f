"""`predictflow features`: the catalogue, its SQL, its page, and where values came from."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from click.testing import Result

from fraud_platform.contracts.tables import Table
from fraud_platform.features.catalogue import CATALOGUE, FEATURE_NAMES
from fraud_platform.features.docs import feature_page
from fraud_platform.features.sql_steps import STEPS
from fraud_platform.features.tables import TILE_TABLES, TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform_tests.ingest.payments import GOOD, land, write_bytes
from fraud_platform_tests.world import FIRST, LAST

END = LAST + timedelta(days=1)
Document = Callable[..., dict[str, Any]]
Command = Callable[..., Result]


def changed(lake: Lake, table: Table, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrites the last day of a table."""
    lake.replace_days(table, LAST, END, change(lake.read(table, LAST, END)))


def a_row(lake: Lake) -> dict[str, Any]:
    """A transaction of the last day whose merchant has labels, and its user a past."""
    rows = lake.read(TRANSACTION_FEATURES, LAST, END)
    full = rows.filter(pl.all_horizontal(pl.col("amount_score_30d", "merchant_age").is_not_null()))
    return full.sort("user_tx_count_24h", "transaction_id").row(-1, named=True)


def test_the_list_is_the_catalogue_in_the_models_order(document: Document, command: Command):
    listed = document("features", "show")["features"]
    assert [one["name"] for one in listed] == list(FEATURE_NAMES)
    shown = command("features", "show").stdout
    assert all(name in shown for name in FEATURE_NAMES)


def test_one_feature_is_shown_with_what_it_is_made_of_and_what_is_made_of_it(
    document: Document, command: Command
):
    found = document("features", "show", "user_mean_amount_30d")
    assert found["tiles"] == ["user_tiles.n", "user_tiles.sum_amount"]
    assert found["online_views"] == ["user_recent", "user_daily"]
    assert found["needed_by"] == ["amount_to_user_mean_30d"]
    assert (found["level"], found["window"], found["key"]) == (1, "30d", "user_id")
    assert document("features", "show", "device_new")["tiles"] == ["user_tiles.device_id"]
    text = command("features", "show", "amount_to_user_mean_30d").stdout
    assert "needed by     user_large_count_24h, " in text
    assert "denominator='user_mean_amount_30d'" in text


def test_an_unknown_feature_is_refused_with_what_it_may_have_been(command: Command):
    result = command("features", "show", "user_tx_count_2h")
    assert result.exit_code == 1
    assert "no feature 'user_tx_count_2h'; did you mean user_tx_count_24h" in result.stderr


def test_the_sql_is_printed_in_the_order_it_runs_and_says_what_it_reads(command: Command):
    text = command("features", "sql").stdout
    headings = [line for line in text.splitlines() if "written by the asset" in line]
    assert [line.split(":")[0].removeprefix("-- ") for line in headings] == [
        "user_tiles",
        "merchant_tiles",
        "user_past_by_device",
        "transaction_habits",
        "user_habit_tiles",
        "merchant_label_tiles",
        "merchant_label_days",
        "transaction_features",
    ]
    last = text[text.index("-- transaction_features") :]
    reads = [line for line in last.splitlines() if line.startswith("--   ")]
    assert {line.removeprefix("--   ").split(":")[0] for line in reads} == {
        "asked", "transactions", "user_past_by_device", "merchant_tiles", "user_habit_tiles",
        "merchant_label_tiles", "merchant_label_days",
    }  # fmt: skip
    with duckdb.connect() as connection:
        assert len(connection.extract_statements(text)) == len(headings)


def test_a_step_or_a_table_is_printed_alone(command: Command):
    parts = [command("features", "sql", "--step", step).stdout for step in STEPS]
    whole = command("features", "sql").stdout
    assert sum(part.count("\n;") + part.count(";\n") for part in parts) == whole.count(";\n") == 8
    assert command("features", "sql", "user_tiles").stdout in whole
    refused = command("features", "sql", "--step", "labels", "user_tiles")
    assert refused.exit_code == 1
    assert "no statement has step labels and table user_tiles; there are" in refused.stderr


def test_the_page_is_printed_or_written(command: Command, tmp_path: Path):
    assert command("features", "docs").stdout == feature_page(CATALOGUE)
    out = tmp_path / "features.md"
    assert command("features", "docs", "--out", out).exit_code == 0
    assert out.read_text(encoding="utf-8") == feature_page(CATALOGUE)
    refused = command("features", "docs", "--out", tmp_path / "none" / "features.md")
    assert refused.exit_code == 1
    assert "can't be written: No such file or directory" in refused.stderr


def test_transactions_of_the_lake_are_explained_to_the_bit(tables: Lake, document: Document):
    sample = tables.read(TRANSACTION_FEATURES, FIRST, END).sample(8, seed=0)
    for row in [*sample.iter_rows(named=True), a_row(tables)]:
        found = document("features", "explain", row["transaction_id"])
        assert found["agrees"]
        assert {one["name"]: one["value"] for one in found["features"]} == {
            name: row[name] for name in FEATURE_NAMES
        }


def test_an_explanation_shows_payments_days_labels_and_what_ratios_are_of(
    tables: Lake, command: Command
):
    row = a_row(tables)
    text = command("features", "explain", row["transaction_id"], "--day", str(LAST)).stdout
    count = int(row["user_tx_count_24h"])
    assert f"user_tx_count_24h = {count}: {count} payment" in text
    assert f"user_tx_count_30d = {row['user_tx_count_30d']:.0f}: " in text
    assert ", as the tiles (" in text
    assert f"/ user_mean_amount_30d {row['user_mean_amount_30d']!r}" in text
    assert " labels of payments with amount_to_user_mean_30d <= 2.5 or missing, " in text
    assert f", user {row['user_id']}, merchant {row['merchant_id']}, device " in text
    assert "WRONG" not in text


@pytest.mark.parametrize("as_json", [False, True])
def test_a_changed_value_is_loud_and_leaves_with_status_1(
    tables: Lake, command: Command, as_json: bool
):
    row = a_row(tables)
    tallied = row["user_tx_count_7d"]
    changed(
        tables, TRANSACTION_FEATURES, lambda day: day.with_columns(pl.col("user_tx_count_7d") + 1)
    )
    result = command("features", "explain", row["transaction_id"], *["--json"][: int(as_json)])
    assert result.exit_code == 1
    assert f"1 of {len(FEATURE_NAMES)} features of {row['transaction_id']} don't" in result.stderr
    assert "(user_tx_count_7d)" in result.stderr
    fault = f"{tallied + 1:.0f} is stored, the sources give {tallied:.0f}"
    if as_json:
        found = json.loads(result.stdout)
        assert not found["agrees"]
        assert [one["faults"] for one in found["features"] if one["faults"]] == [[fault]]
    else:
        assert f"WRONG: {fault}" in result.stdout


def test_tiles_of_other_payments_than_there_are_are_named_with_their_day(
    tables: Lake, command: Command
):
    table = TILE_TABLES["user_tiles"]
    changed(tables, table, lambda day: day.with_columns(pl.col("n") + 1))
    rows = tables.read(TRANSACTION_FEATURES, LAST, END)
    assert command("features", "explain", rows["transaction_id"][-1]).exit_code == 0  # today's
    before = LAST - timedelta(days=1)
    day = tables.read(table, before, LAST)
    tables.replace_days(table, before, LAST, day.with_columns(pl.col("n") + 1))
    row = rows.filter(pl.col("user_id").is_in(day["user_id"].to_list())).row(0, named=True)
    result = command("features", "explain", row["transaction_id"])
    assert result.exit_code == 1
    assert f"of {before}, raw_transactions" in result.stdout


def test_a_transaction_that_several_days_have_is_asked_for_by_day(tables: Lake, command: Command):
    id_ = a_row(tables)["transaction_id"]
    earlier = LAST - timedelta(days=1)
    rows = tables.read(TRANSACTION_FEATURES, earlier, LAST)
    first = pl.col("transaction_id") == rows["transaction_id"][0]
    named = pl.when(first).then(pl.lit(id_)).otherwise("transaction_id").alias("transaction_id")
    tables.replace_days(TRANSACTION_FEATURES, earlier, LAST, rows.with_columns(named))
    result = command("features", "explain", id_)
    assert result.exit_code == 1
    assert f"several days have a transaction {id_}: {earlier}, {LAST}; say which" in result.stderr
    assert command("features", "explain", id_, "--day", str(LAST)).exit_code == 0


def test_an_unknown_transaction_is_refused_with_where_it_is_instead(
    tables: Lake, command: Command, tmp_path: Path
):
    def says(*arguments: str) -> str:
        result = command("features", "explain", *arguments)
        assert result.exit_code == 1
        return result.stderr

    id_ = a_row(tables)["transaction_id"]
    nowhere = says("nobody")
    assert f"nobody isn't in transaction_features of {FIRST} to {LAST}; nor is it in" in nowhere
    assert f"its features are those of {LAST}: say --day {LAST}" in says(id_, "--day", str(FIRST))
    tables.replace_days(
        TRANSACTION_FEATURES, LAST, END, tables.read(TRANSACTION_FEATURES, LAST, END).clear()
    )
    assert f"its day {LAST} is made, its features aren't: `predictflow materialize" in says(id_)
    lines = [
        json.dumps({**GOOD, "transaction_id": "new-1"}).encode(),
        b'{"transaction_id": "bad-1"}',
    ]
    land(tables, write_bytes(tmp_path / "late.ndjson", b"\n".join(lines)))
    assert "is landed from late.ndjson (record 0) and its day isn't made with it" in says("new-1")
    quarantined = says("bad-1")
    assert "a record of the quarantine names it (open): " in quarantined
    assert "`predictflow quarantine show " in quarantined
    assert "has it been sent?" in says("bad")
