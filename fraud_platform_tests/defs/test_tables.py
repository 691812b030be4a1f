"""The tables as assets: ranges, reruns, and days that don't hold their contract."""

from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest

from fraud_platform.clock import days_between
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    Table,
)
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.tables import TABLES as FEATURE_TABLES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform_tests.world import FIRST, LAST, TABLES, land_files, make

END = LAST + timedelta(days=1)
ALL = (RAW_TRANSACTIONS, TRANSACTION_LABELS, *FEATURE_TABLES)


def content(lake: Lake, table: Table) -> pl.DataFrame:
    return lake.read(table, date(2020, 1, 1), date(2030, 1, 1))


def put_bad_rows(lake: Lake, day: date) -> None:
    """Rows that the edge would have refused, straight into the lake."""
    row = lake.read(LANDED_EVENTS, day, day + timedelta(days=1)).filter(kind="transaction").head(1)
    bad = pl.concat(
        [
            row.with_columns(transaction_id=pl.lit("no-amount"), amount_cents=pl.lit(0)),
            row.with_columns(
                transaction_id=pl.lit("no-user"), user_id=pl.lit(None, dtype=pl.String)
            ),
        ],
        how="vertical_relaxed",
    )
    lake.append(LANDED_EVENTS, bad, source_id="bad", start=0, end=2)


def test_thirty_days_in_one_run_equal_thirty_single_days(landed: Lake, tmp_path) -> None:
    last = FIRST + timedelta(days=29)
    make(TABLES, FIRST, last)
    at_once = {table.name: content(landed, table) for table in ALL}
    for table in ALL:
        landed.replace_days(table, FIRST, END, content(landed, table).clear())
    for day in days_between(FIRST, last + timedelta(days=1)):
        make(TABLES, day, day)
    for table in ALL:
        assert content(landed, table).equals(at_once[table.name])
        assert at_once[table.name]["event_date"].n_unique() >= 20  # labels begin a week later


def test_a_day_made_twice_has_the_same_content(tables: Lake) -> None:
    before = {table.name: content(tables, table) for table in ALL}
    make(TABLES, LAST, LAST)
    make(TABLES, FIRST, LAST)
    for table in ALL:
        assert content(tables, table).equals(before[table.name])


def test_every_landed_transaction_is_in_its_day_once_and_has_features(tables: Lake) -> None:
    landed = content(tables, LANDED_EVENTS).filter(kind="transaction")
    raw, features = content(tables, RAW_TRANSACTIONS), content(tables, TRANSACTION_FEATURES)
    assert raw["transaction_id"].is_unique().all()
    assert set(raw["transaction_id"]) == set(landed["transaction_id"])
    assert raw["transaction_id"].equals(features["transaction_id"])


def test_a_day_without_rows_is_refused_by_name_and_nothing_is_written(landed: Lake) -> None:
    absent = END + timedelta(days=1)
    with pytest.raises(PredictFlowError, match="has_rows broken by 2 rows") as refusal:
        make(["raw_transactions"], LAST, absent)
    assert f"event_date {END}" in str(refusal.value)
    assert "land them again" in str(refusal.value)
    assert landed.version(RAW_TRANSACTIONS) is None


def test_rows_that_break_the_contract_are_named_by_the_check_and_the_former_day_stays(
    tables: Lake,
) -> None:
    before = tables.version(RAW_TRANSACTIONS)
    put_bad_rows(tables, LAST)
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(PredictFlowError, match="amount_in_range") as failure:
            make(TABLES, LAST, LAST, instance)
        assert "user_id_not_null" in str(failure.value)
        assert "stay" in str(failure.value)
        (failed_run,) = instance.get_runs()
        logged = instance.all_logs(
            failed_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
    events = [entry.get_dagster_event().asset_check_evaluation_data for entry in logged]
    failed = {event.check_name: event for event in events if not event.passed}
    assert set(failed) == {"amount_in_range", "user_id_not_null"}
    rows = failed["amount_in_range"].metadata["rows"]
    assert isinstance(rows, dg.TableMetadataValue)
    assert [record.data["transaction_id"] for record in rows.records] == ["no-amount"]
    assert all(event.blocking for event in failed.values())
    assert tables.version(RAW_TRANSACTIONS) == before


@pytest.mark.parametrize("blocks", ["false", "true"])
def test_an_odd_mean_amount_warns_or_blocks_as_set(
    landed: Lake, monkeypatch: pytest.MonkeyPatch, blocks: str
) -> None:
    monkeypatch.setenv("PREDICTFLOW_QUALITY_MEAN_AMOUNT_MAX", "51")
    monkeypatch.setenv("PREDICTFLOW_QUALITY_MEAN_AMOUNT_BLOCKS", blocks)
    if blocks == "true":
        with pytest.raises(PredictFlowError, match="mean_amount"):
            make(["raw_transactions"], FIRST, FIRST)
        assert landed.version(RAW_TRANSACTIONS) is None
    else:
        make(["raw_transactions"], FIRST, FIRST)
        assert content(landed, RAW_TRANSACTIONS).height > 0


def test_a_transaction_sent_again_is_one_row(landed: Lake, tmp_path) -> None:
    again = tmp_path / "again.parquet"
    day = landed.read(LANDED_EVENTS, FIRST, FIRST + timedelta(days=1)).filter(kind="transaction")
    day.head(5).select(
        "transaction_id",
        "user_id",
        "merchant_id",
        timestamp=pl.from_epoch("timestamp_us", time_unit="us"),
        amount=pl.lit(1.0),
    ).write_parquet(again)
    land_files(again)
    make(["raw_transactions"], FIRST, FIRST)
    made = content(landed, RAW_TRANSACTIONS)
    assert made.height == day.height
    assert made["amount_cents"].sum() == day["amount_cents"].sum()  # the first landed wins


def test_the_inbox_is_landed_by_the_asset(world_file, data_dir) -> None:
    inbox = data_dir / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "world.parquet").write_bytes(world_file.read_bytes())
    (inbox / "broken.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PredictFlowError, match=r"broken\.csv"):
        make(["landed_events"], FIRST, FIRST)
    assert [path.name for path in inbox.iterdir() if path.is_file()] == ["broken.csv"]
    landed = content(Lake(data_dir / "lake"), LANDED_EVENTS)
    assert landed.filter(kind="transaction").height == landed.filter(kind="label").height > 1000
