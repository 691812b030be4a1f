"""Backfills and failed checks as the web page and the daemon do them."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pyarrow.dataset as ds
import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake, versions
from fraud_platform_tests.dagster_ui.process import DagsterDev
from fraud_platform_tests.world import TABLES as ASSETS

TABLES = (RAW_TRANSACTIONS, TRANSACTION_LABELS, TRANSACTION_FEATURES)
START, END = date(2026, 3, 2), date(2026, 3, 5)
DAYS = [date(2026, 3, day) for day in (2, 3, 4)]
BAD_DAY = date(2026, 3, 6)

LAUNCH_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId }
  }
}"""
BACKFILL = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs { status tags { key value } } }
  }
}"""
LAUNCH_RUN = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { id } } }
}"""
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
CHECK = """
query($name: String!) {
  assetCheckExecutions(assetKey: {path: ["raw_transactions"]}, checkName: $name, limit: 10) {
    runId status
    evaluation {
      severity
      metadataEntries {
        label
        ... on IntMetadataEntry { intValue }
        ... on TextMetadataEntry { text }
        ... on TableMetadataEntry { table { records } }
      }
    }
  }
}"""


@pytest.fixture(scope="module")
def lake(dev: DagsterDev) -> Lake:
    return Lake(dev.data_dir / "lake")


@pytest.fixture(scope="module")
def versions_before(lake: Lake) -> dict[str, int]:
    return versions(lake, TABLES)


@pytest.fixture(scope="module")
def backfill(dev: DagsterDev, versions_before: dict[str, int]) -> str:
    """The id of a backfill of three days of the assets from transactions to features.

    The daemon looks at backfills every 30 seconds, so the test beside it runs meanwhile.
    """
    # By partitions of each asset: partition names alone would be those of the first asset, and of
    # the others every later day that reads them, too.
    span = {"range": {"start": str(DAYS[0]), "end": str(DAYS[-1])}}
    targets = [{"assetKey": {"path": [name]}, "partitions": span} for name in ASSETS]
    answer = dev.graphql(LAUNCH_BACKFILL, params={"partitionsByAssets": targets})
    launched = answer["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return launched["backfillId"]


@pytest.mark.usefixtures("backfill")
def test_a_failed_check_names_the_rows_and_the_former_day_stays(
    dev: DagsterDev, lake: Lake
) -> None:
    after = BAD_DAY + timedelta(days=1)
    former = lake.read(RAW_TRANSACTIONS, BAD_DAY, after)
    _land_past_the_edge(lake)

    run_id = _launch(dev, "raw_transactions", BAD_DAY)
    ended = ("SUCCESS", "FAILURE", "CANCELED")
    status = dev.wait("the run ends", lambda: (s := _status(dev, run_id)) in ended and s)

    assert status == "FAILURE"
    amount, user = _check(dev, "amount_in_range", run_id), _check(dev, "user_id_not_null", run_id)
    assert [amount["status"], user["status"]] == ["FAILED", "FAILED"]
    assert _check(dev, "within_day", run_id)["status"] == "SUCCEEDED"
    found = {entry["label"]: entry for entry in amount["evaluation"]["metadataEntries"]}
    assert amount["evaluation"]["severity"] == "ERROR"
    assert found["failing_rows"]["intValue"] == 1
    assert found["days"]["text"] == f"{BAD_DAY} to {BAD_DAY}"
    assert '"bad-amount"' in found["rows"]["table"]["records"][0]
    assert lake.read(RAW_TRANSACTIONS, BAD_DAY, after).equals(former)


def test_a_backfill_of_three_days_is_one_run(
    dev: DagsterDev, lake: Lake, versions_before: dict[str, int], backfill: str
) -> None:
    def ended() -> dict[str, Any] | None:
        found = dev.graphql(BACKFILL, id=backfill)["partitionBackfillOrError"]
        return found if found["status"] not in ("REQUESTED", "COMPLETING") else None

    done = dev.wait("the backfill ends", ended)

    assert done["status"] == "COMPLETED_SUCCESS"
    (run,) = done["runs"]
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["dagster/asset_partition_range_start"] == str(DAYS[0])
    assert tags["dagster/asset_partition_range_end"] == str(DAYS[-1])
    now = versions(lake, TABLES)
    assert {name: now[name] > versions_before.get(name, -1) for name in now} == {
        table.name: True for table in TABLES
    }
    raw = lake.count_by_day(RAW_TRANSACTIONS, START, END)
    assert list(raw) == DAYS
    assert lake.count_by_day(TRANSACTION_FEATURES, START, END) == raw


def _land_past_the_edge(lake: Lake) -> None:
    """Two rows that `predictflow ingest` would refuse."""
    day = ds.field("kind") == "transaction"
    good = lake.read(LANDED_EVENTS, BAD_DAY, BAD_DAY + timedelta(days=1), where=day).head(2)
    bad = good.with_columns(
        transaction_id=pl.Series(["bad-amount", "bad-user"]),
        amount_cents=pl.Series([0, 990]),
        user_id=pl.Series(["1", None]),
        source_id=pl.lit("bypass"),
    )
    lake.append(LANDED_EVENTS, bad, source_id="bypass", start=0, end=2)


def _launch(dev: DagsterDev, asset: str, day: date) -> str:
    selector = {
        "repositoryLocationName": "predictflow",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": [asset]}],
    }
    tags = {"tags": [{"key": "dagster/partition", "value": str(day)}]}
    params = {"selector": selector, "executionMetadata": tags, "runConfigData": "{}"}
    launched = dev.graphql(LAUNCH_RUN, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["id"]


def _status(dev: DagsterDev, run_id: str) -> str:
    return dev.graphql(RUN, id=run_id)["runOrError"]["status"]


def _check(dev: DagsterDev, name: str, run_id: str) -> dict[str, Any]:
    executions = dev.graphql(CHECK, name=name)["assetCheckExecutions"]
    # In a run of one partition, Dagster 1.13 leaves the plan of a check behind as a second entry.
    (execution,) = [one for one in executions if one["runId"] == run_id and one["evaluation"]]
    return execution
