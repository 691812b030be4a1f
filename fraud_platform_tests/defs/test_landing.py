"""What the landing asset tells Dagster: of other days, and of producers that changed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.defs.landing_metadata import landing_metadata
from fraud_platform.ingest.decision_landing import LandedDecisions
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.landing import Landed
from fraud_platform.ingest.rows import now_us
from fraud_platform.lake.store import Lake
from fraud_platform_tests.kafka_broker import Topics
from fraud_platform_tests.lake.rows import label, landed, payment
from fraud_platform_tests.world import make

KEY = dg.AssetKey("landed_events")
TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def lake(data_dir) -> Lake:
    return Lake(data_dir / "lake")


def land(lake: Lake, *rows: dict[str, Any]) -> None:
    """Rows as a follower outside Dagster lands them."""
    now = {"landed_at_us": now_us(), "source": "topic", "source_id": "id", "partition": 0}
    at = lake.position(LANDED_EVENTS, "test")
    frame = landed([now | {"event_date": TODAY, "offset": 0} | row for row in rows])
    lake.append(LANDED_EVENTS, frame, source_id="test", start=at, end=at + len(rows))


def told(instance: dg.DagsterInstance, day: date) -> list[dict[str, Any]]:
    """The metadata of a day's materialisations, oldest first."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(KEY, asset_partitions=[day.isoformat()]), limit=10, ascending=True
    )
    return [
        {name: _plain(value) for name, value in record.asset_materialization.metadata.items()}
        for record in found.records
        if record.asset_materialization
    ]


def _plain(value: dg.MetadataValue) -> Any:
    return value.records if isinstance(value, dg.TableMetadataValue) else value.value


def checks(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    """The last run's check results."""
    run = instance.get_runs(limit=1)[0]
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.get_dagster_event().asset_check_evaluation_data for entry in logs]
    return {one.check_name: one for one in found}


def test_days_that_others_landed_are_recorded_once_with_their_counts(lake: Lake) -> None:
    late, old = TODAY - timedelta(days=7), TODAY - timedelta(days=8)
    paid = {"kind": "transaction"}
    with dg.DagsterInstance.ephemeral() as instance:
        land(lake, paid | payment("a", late), paid | payment("b", old), paid | payment("c", TODAY))
        make(["landed_events"], TODAY, TODAY, instance)
        assert [one["dagster/row_count"] for one in told(instance, late)] == [1]
        assert told(instance, old) == []
        assert told(instance, TODAY)[0]["dagster/row_count"] == 1

        make(["landed_events"], TODAY, TODAY, instance)
        assert len(told(instance, late)) == 1
        land(lake, {"kind": "label"} | label("a", now_us(), is_fraud=True))
        land(lake, paid | payment("d", late), {"kind": "rejected", "event_date": YESTERDAY})
        make(["landed_events"], TODAY, TODAY, instance)

        assert [one["dagster/row_count"] for one in told(instance, late)] == [1, 2]
        assert [one["rejected_that_day"] for one in told(instance, YESTERDAY)] == [1]
        last = told(instance, TODAY)[-1]
        assert (last["labels"], last["rejected_that_day"]) == (1, 0)


def test_a_changed_type_fails_its_check_until_the_records_are_resolved(lake: Lake) -> None:
    reason = "Expected `float`, got `str` - at `$.amount`"
    wrong = {"kind": "rejected", "reason": reason}
    long_ago = now_us() - 25 * 3600 * 1_000_000
    with dg.DagsterInstance.ephemeral() as instance:
        land(
            lake,
            wrong | {"offset": 5},
            wrong | {"offset": 6},
            wrong | {"offset": 7, "landed_at_us": long_ago, "event_date": YESTERDAY},
            {"kind": "rejected", "reason": "amount -1 is not above 0", "offset": 8},
        )
        make(["landed_events"], TODAY, TODAY, instance)
        failed = checks(instance)["types_unchanged"]
        assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert failed.metadata["reasons"].value == {reason: 2}
        assert failed.metadata["examples"].value == {reason: "topic/0@5"}
        assert checks(instance)["fields_known"].passed

        land(lake, {"kind": "resolved", "offset": 5})
        make(["landed_events"], TODAY, TODAY, instance)
        assert checks(instance)["types_unchanged"].metadata["reasons"].value == {reason: 1}
        land(lake, {"kind": "resolved", "offset": 6})
        make(["landed_events"], TODAY, TODAY, instance)
        assert checks(instance)["types_unchanged"].passed


def test_a_new_field_warns_for_a_day(lake: Lake) -> None:
    old = now_us() - 25 * 3600 * 1_000_000
    with dg.DagsterInstance.ephemeral() as instance:
        land(
            lake,
            {"kind": "schema", "reason": "new field channel"},
            {"kind": "schema", "reason": "new field x", "landed_at_us": old},
        )
        make(["landed_events"], TODAY, TODAY, instance)
        found = checks(instance)["fields_known"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["fields"].value == {"topic": ["new field channel"]}


def test_the_metadata_of_files_and_of_kafka_are_added_up() -> None:
    file = Landed("f", "id", transactions=3, labels=2, rejected=1)
    file.reasons["bad"] = 1
    kafka = Ingested(transactions=10, labels=1, rejected=2, duplicates=4, late=5, too_late=1)
    kafka.reasons["bad"] = 2
    kafka.positions, kafka.lag = {"t/0": 7, "t/1": 9}, {"t/0": 0, "t/1": 3}
    kafka.predictions = 6
    decisions = LandedDecisions(segments=2, decisions=4, rejected=2, torn=1)
    found = landing_metadata([file], kafka, decisions)
    names = ("files", "transactions", "labels_landed", "rejected", "duplicates", "late", "lag")
    assert [found[name].value for name in names] == [1, 13, 3, 5, 4, 5, 3]
    assert [found[name].value for name in ("decisions_landed", "torn_decisions")] == [10, 1]
    assert found["reasons"].value == {"bad": 3}
    table = found["partitions"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [tuple(one.data.values()) for one in table.records] == [("t/0", 7, 0), ("t/1", 9, 3)]
    alone = {"already_landed", "reasons", "decisions_landed", "torn_decisions"}
    assert set(landing_metadata([file], decisions=LandedDecisions())) == {*names[:4], *alone}


def test_the_asset_lands_what_waits_in_kafka(topics: Topics, lake: Lake) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    paid: dict[str, object] = {
        "timestamp": at.isoformat(),
        "user_id": "u",
        "merchant_id": "m",
        "amount": 12.5,
    }
    good = [paid | {"transaction_id": f"t{n}", "channel": "web"} for n in range(5)]
    topics.produce("transactions", [*good, paid | {"transaction_id": "bad", "amount": "12.5"}])
    verdict: dict[str, object] = {
        "is_fraud": False,
        "labelled_at": at.isoformat(),
        "source": "bank",
    }
    topics.produce("labels", [verdict | {"transaction_id": "t1"}])
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            make(["landed_events"], TODAY, TODAY, instance)
        (yesterday,) = told(instance, YESTERDAY)
        first, second = told(instance, TODAY)
        found = checks(instance)
    assert (yesterday["dagster/row_count"], yesterday["labels"]) == (5, 1)
    names = ("transactions", "labels_landed", "rejected", "late", "too_late", "lag")
    assert [first[name] for name in names] == [5, 1, 1, 5, 0, 0]
    assert [second[name] for name in names] == [0, 0, 0, 0, 0, 0]
    assert (first["rejected_that_day"], first["new_fields"]) == (1, ["new field channel"])
    partitions = [record.data for record in second["partitions"]]
    assert {one["partition"] for one in partitions} == {
        f"{topic}/{number}"
        for topic in (topics.transactions, topics.labels, topics.kafka.predictions_topic)
        for number in range(3)
    }
    assert sum(one["next_offset"] for one in partitions) == 7
    assert not found["types_unchanged"].passed
    assert found["fields_known"].metadata["fields"].value == {
        topics.transactions: ["new field channel"]
    }
