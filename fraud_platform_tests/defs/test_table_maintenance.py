"""Maintenance as an asset: what it keeps for models, and what it does where there are none."""

import os
import time
from datetime import timedelta

import dagster as dg
import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS, PREDICTION_LOG, TRANSACTION_LABELS
from fraud_platform.definitions import defs
from fraud_platform.defs.table_maintenance import TABLES as MAINTAINED
from fraud_platform.features.tables import TABLES as FEATURE_TABLES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.world import FIRST, LAST, MODEL, make

END = LAST + timedelta(days=1)


def maintain() -> dict[str, dg.MetadataValue]:
    """Runs the job; the metadata of its materialisation."""
    job = defs().get_repository_def().get_job("maintenance")
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        (event,) = done.asset_materializations_for_node("table_maintenance")
    return dict(event.metadata)


def test_nothing_landed_and_no_model_is_nothing_to_do(data_dir) -> None:
    found = maintain()
    assert found["files_removed"].value == 0
    assert not (data_dir / "mlflow.db").exists()


def test_the_tables_are_described(tables: Lake) -> None:
    table = maintain()["tables"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["table"] for record in table.records] == [
        "landed_events",
        "raw_transactions",
        "transaction_labels",
        *(table.name for table in FEATURE_TABLES),
    ]
    files = table.records[0].data
    delta = tables.open(LANDED_EVENTS)
    assert delta is not None
    assert files["files_after"] == len(delta.file_uris())


@pytest.mark.usefixtures("short_window")
def test_what_a_model_was_trained_on_stays_readable(tables: Lake) -> None:
    make(MODEL, LAST, LAST)
    both = (TRANSACTION_FEATURES, TRANSACTION_LABELS)
    before = {table.name: (tables.version(table), tables.read(table, FIRST, END)) for table in both}
    for _ in range(2):  # the first one's files are needed by no model
        make(["transaction_labels", "transaction_features"], FIRST, LAST)
    _age(tables, days=30)
    found = maintain()
    recorded = {name: [version] for name, (version, _) in before.items()}
    made = {table.name for table in MAINTAINED} - {PREDICTION_LOG.name}  # nobody asked the service
    assert found["versions_kept"].value == {name: [] for name in made} | recorded
    for table in both:
        version, rows = before[table.name]
        assert tables.read(table, FIRST, END, version=version).equals(rows)
    # A report made later reads them too.
    make(["evaluation_report"], LAST, LAST)


@pytest.mark.usefixtures("short_window")
def test_a_bundle_keeps_its_versions_without_a_registry(tables: Lake) -> None:
    from fraud_platform.defs.table_maintenance import recorded_versions  # noqa: PLC0415 - beta

    settings = load_settings()
    assert recorded_versions(settings) == {}
    make(MODEL, LAST, LAST)
    by_both = recorded_versions(settings)
    assert set(by_both) == {"transaction_features", "transaction_labels"}
    settings.tracking_db.unlink()
    assert recorded_versions(settings) == by_both


def _age(lake: Lake, days: int) -> None:
    """Makes files and log entries that old, as far as the file system says it."""
    then = time.time() - days * 86_400
    assert not isinstance(lake.root, str)
    for path in lake.root.rglob("*"):
        os.utime(path, (then, then))
