"""What the code location declares: assets, checks, the job and its schedule."""

import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    PREDICTION_LOG,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    Table,
)
from fraud_platform.definitions import defs
from fraud_platform.features.tables import TRANSACTION_FEATURES, TRANSACTION_HABITS
from fraud_platform.settings import Settings, load_settings

# Marks, as `-W error` on the command line wins over filters in pyproject.toml, and pytest undoes
# those that the definitions set when they are imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Asset job daily materializes:UserWarning"),
    # Dagster 1.13 reads pydantic's old name.
    pytest.mark.filterwarnings("ignore:The .__fields__. attribute:DeprecationWarning"),
]

# Group, owner and whether a range of days is one run.
ASSETS = {
    "landed_events": ("ingestion", "team:fraud-backend", True),
    "raw_transactions": ("tables", "team:fraud-backend", True),
    "transaction_labels": ("tables", "team:fraud-backend", True),
    "prediction_log": ("tables", "team:fraud-backend", True),
    "daily_tiles": ("features", "team:fraud-ml", True),
    "transaction_habits": ("features", "team:fraud-ml", True),
    "label_tiles": ("features", "team:fraud-ml", True),
    "transaction_features": ("features", "team:fraud-ml", True),
    "online_features": ("features", "team:fraud-ml", True),
    "fraud_model": ("model", "team:fraud-ml", False),
    "evaluation_report": ("model", "team:fraud-ml", False),
    "deployed_model": ("model", "team:fraud-ml", False),
    "drift_report": ("monitoring", "team:fraud-ml", False),
    "prediction_quality": ("monitoring", "team:fraud-ml", True),
}
UPSTREAM = {
    "landed_events": set(),
    "raw_transactions": {"landed_events"},
    "transaction_labels": {"landed_events", "raw_transactions"},
    "prediction_log": {"landed_events"},
    "daily_tiles": {"raw_transactions"},
    "transaction_habits": {"raw_transactions", "daily_tiles"},
    "label_tiles": {"transaction_labels", "transaction_habits"},
    "transaction_features": {"daily_tiles", "transaction_habits", "label_tiles"},
    "online_features": {"daily_tiles", "transaction_habits"},
    "fraud_model": {"transaction_features", "transaction_labels", "prediction_log"},
    "evaluation_report": {"fraud_model"},
    "deployed_model": {"evaluation_report"},
    "drift_report": {"transaction_features", "prediction_log"},
    "prediction_quality": {"prediction_log", "transaction_labels", "transaction_features"},
}
# By asset and name: whether it blocks.
CHECKS = {
    ("landed_events", "types_unchanged"): False,
    ("landed_events", "fields_known"): False,
    ("raw_transactions", "schema"): True,
    ("raw_transactions", "amount_in_range"): True,
    ("raw_transactions", "user_id_not_null"): True,
    ("raw_transactions", "transaction_id_unique"): True,
    ("raw_transactions", "within_day"): True,
    ("raw_transactions", "has_rows"): True,
    ("raw_transactions", "mean_amount"): False,
    ("transaction_labels", "schema"): True,
    ("transaction_labels", "transaction_id_unique"): True,
    ("transaction_labels", "within_day"): True,
    ("transaction_labels", "transaction_known"): False,
    ("prediction_log", "schema"): True,
    ("prediction_log", "decision_id_unique"): True,
    ("prediction_log", "within_day"): True,
    ("prediction_log", "verdict_follows"): True,
    ("prediction_log", "action_follows"): True,
    ("transaction_features", "one_row_per_transaction"): True,
    ("transaction_features", "values_defined"): True,
    ("transaction_features", "online_parity"): False,
    ("deployed_model", "evaluated"): True,
    ("deployed_model", "not_older"): True,
    ("deployed_model", "intact"): True,
    ("deployed_model", "better"): False,
    ("deployed_model", "slices"): False,
    ("deployed_model", "parity"): False,
    ("deployed_model", "schema"): False,
    ("deployed_model", "scores"): False,
    ("deployed_model", "both_classes"): False,
    ("deployed_model", "labels_mature"): False,
    ("deployed_model", "not_rolled_back"): False,
    ("drift_report", "judged"): False,
    ("drift_report", "unmoved"): False,
    ("prediction_quality", "judged"): False,
    ("prediction_quality", "above_floors"): False,
    ("prediction_quality", "parity"): False,
}
_DAILY = {
    "raw_transactions",
    "daily_tiles",
    "transaction_habits",
    "transaction_labels",
    "label_tiles",
    "transaction_features",
    "online_features",
    "fraud_model",
    "evaluation_report",
    "deployed_model",
    "prediction_log",
    "drift_report",
    "prediction_quality",
}
JOBS = {
    "daily": _DAILY,
    "landing": {"landed_events"},
    "maintenance": {"table_maintenance"},
    "late_transactions": {"raw_transactions"},
    "online_labels_job": {"online_labels"},
    "retrain": {"fraud_model", "evaluation_report", "deployed_model"},
    "what_follows": {
        "daily_tiles",
        "transaction_habits",
        "transaction_labels",
        "label_tiles",
        "transaction_features",
        "online_features",
        "prediction_log",
        "prediction_quality",
    },
}
_STOPPED = dg.DefaultScheduleStatus.STOPPED
# Job, cron, time zone, and whether it runs without being turned on.
SCHEDULES = {
    "daily_at_02_00": ("daily", "0 2 * * *", "UTC", _STOPPED),
    "landing_every_five_minutes": ("landing", "*/5 * * * *", "UTC", _STOPPED),
    "online_labels_hourly": ("online_labels_job", "1 * * * *", "UTC", _STOPPED),
    "table_maintenance_hourly": ("maintenance", "30 * * * *", "UTC", _STOPPED),
}
# The jobs that it asks for, and how many seconds are between its ticks.
SENSORS = {
    "late_transactions": ({"late_transactions", "what_follows"}, 30),
    "retrain_on_drift": ({"retrain"}, 60),
    "retrain_on_quality": ({"retrain"}, 60),
    "day_not_made": (set(), 300),
    "failed_runs": (set(), 30),
    "waiting_alerts": (set(), 60),
    "platform_figures": (set(), 60),
}
ON = {"platform_figures"}
"""The sensors that run from the start, whatever is set."""
WITHOUT_DAYS = {
    "table_maintenance": ("ingestion", "team:fraud-backend", set()),
    "online_labels": ("features", "team:fraud-ml", {"landed_events", "label_tiles"}),
}
TABLES = (
    LANDED_EVENTS,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    PREDICTION_LOG,
    TRANSACTION_HABITS,
    TRANSACTION_FEATURES,
)


@cache
def repository() -> dg.RepositoryDefinition:
    return defs().get_repository_def()


def asset(name: str) -> dg.AssetsDefinition:
    found = repository().assets_defs_by_key[dg.AssetKey(name)]
    assert len(found.keys) == 1
    return found


def test_the_assets_are_these_and_depend_on_each_other_so() -> None:
    graph = repository().asset_graph
    found = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert found == UPSTREAM | {name: upstream for name, (_, _, upstream) in WITHOUT_DAYS.items()}


@pytest.mark.parametrize("name", WITHOUT_DAYS)
def test_what_runs_by_the_hour_has_no_days(name: str) -> None:
    found = asset(name)
    spec = found.get_asset_spec(dg.AssetKey(name))
    assert (spec.group_name, *spec.owners) == WITHOUT_DAYS[name][:2]
    assert spec.description
    assert found.partitions_def is None


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_says_what_it_is_whose_it_is_and_how_it_runs(name: str) -> None:
    group, owner, one_run = ASSETS[name]
    found = asset(name)
    spec = found.get_asset_spec(dg.AssetKey(name))

    assert (spec.group_name, list(spec.owners)) == (group, [owner])
    assert spec.description
    assert spec.kinds
    assert isinstance(found.partitions_def, dg.DailyPartitionsDefinition)
    assert found.partitions_def.timezone == "UTC"
    assert found.partitions_def.get_first_partition_key() == "2026-03-01"
    assert isinstance(found.node_def, dg.OpDefinition)
    assert Settings().retry_delay_seconds == 300
    assert found.node_def.retry_policy == dg.RetryPolicy(
        max_retries=2, delay=load_settings().retry_delay_seconds, jitter=dg.Jitter.PLUS_MINUS
    )
    assert found.backfill_policy == (
        dg.BackfillPolicy.single_run() if one_run else dg.BackfillPolicy.multi_run(1)
    )


def test_the_checks_are_these_and_each_says_what_it_holds() -> None:
    # Those of the assets themselves, and the one that stands beside its asset.
    specs = [spec for name in ASSETS for spec in asset(name).check_specs]
    specs += [
        spec
        for one in repository().asset_checks_defs_by_key.values()
        for spec in one.check_specs
        if spec not in specs
    ]
    found = {(spec.asset_key.to_user_string(), spec.name): spec.blocking for spec in specs}
    assert found == CHECKS
    assert all(spec.description for spec in specs)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_assets_columns_are_its_tables_and_each_is_described(table: Table) -> None:
    spec = asset(table.name).get_asset_spec(dg.AssetKey(table.name))
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(c.name, c.type) for c in columns] == [(f.name, str(f.type)) for f in table.schema]
    assert [column.name for column in columns if not column.description] == []


def test_the_jobs_and_when_they_run() -> None:
    jobs = {
        job.name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        for job in repository().get_all_jobs()
        if job.name[:2] != "__"
    }
    assert jobs == JOBS
    schedules = {
        one.name: (one.job_name, one.cron_schedule, one.execution_timezone, one.default_status)
        for one in repository().schedule_defs
    }
    assert schedules == SCHEDULES
    sensors = {
        one.name: ({target.job_name for target in one.targets}, one.minimum_interval_seconds)
        for one in repository().sensor_defs
    }
    assert sensors == SENSORS
    running = dg.DefaultSensorStatus.RUNNING
    assert {one.name for one in repository().sensor_defs if one.default_status == running} == ON


# Dagster's own way of evaluating such a schedule.
@pytest.mark.filterwarnings("ignore:Function .JobDefinition.run_request_for_partition.")
@pytest.mark.parametrize(
    ("schedule", "day"),
    [
        ("daily_at_02_00", "2026-04-09"),
        ("landing_every_five_minutes", "2026-04-10"),
        ("online_labels_hourly", None),
        ("table_maintenance_hourly", None),
    ],
)
def test_a_schedule_asks_for_its_day(schedule: str, day: str | None) -> None:
    with dg.instance_for_test() as instance:
        (request,) = tick(schedule, instance).run_requests or []
    assert request.partition_key == day


@pytest.mark.parametrize(
    ("schedule", "job"),
    [
        ("landing_every_five_minutes", "landing"),
        ("online_labels_hourly", "online_labels_job"),
        ("table_maintenance_hourly", "maintenance"),
    ],
)
def test_a_run_is_not_asked_for_while_an_earlier_one_is_unfinished(schedule: str, job: str) -> None:
    with dg.instance_for_test() as instance:
        earlier = instance.create_run_for_job(
            repository().get_job(job), status=dg.DagsterRunStatus.STARTED
        )
        skipped = tick(schedule, instance)
        assert not skipped.run_requests
        assert skipped.skip_message == f"run {earlier.run_id} of job {job} hasn't ended yet"
        instance.report_run_failed(earlier)
        assert tick(schedule, instance).run_requests


def tick(schedule: str, instance: dg.DagsterInstance) -> ScheduleExecutionData:
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 4, 10, 2, tzinfo=UTC),
        repository_def=repository(),
    ) as context:
        return repository().get_schedule_def(schedule).evaluate_tick(context)


def test_whole_days_are_made_of_days_that_land_until_today() -> None:
    whole = asset("raw_transactions").partitions_def
    assert repository().get_job("daily").partitions_def == whole
    landing = asset("landed_events").partitions_def
    assert whole is not None
    assert landing is not None
    assert landing.get_last_partition_key() == datetime.now(UTC).date().isoformat()
    assert landing.get_partition_keys()[:-1] == whole.get_partition_keys()


def test_the_steps_of_a_run_share_one_process() -> None:
    executors = {job.executor_def.name for job in repository().get_all_jobs()}
    assert executors == {"in_process"}


SWITCHES = {
    "PREDICTFLOW_ALERTS_ON": {"failed_runs", "waiting_alerts", "day_not_made"},
    "PREDICTFLOW_RETRAIN_ON": {"retrain_on_drift", "retrain_on_quality"},
    "PREDICTFLOW_INGEST_LATE_ON": {"late_transactions"},
}


def test_one_setting_each_has_sensors_run_from_the_start() -> None:
    # Sensors read their setting when they are imported, Dagster itself is imported once.
    program = (
        "import os, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "for setting in sys.argv[1:]:\n"
        "    os.environ[setting] = 'true'\n"
        "    from fraud_platform.definitions import defs\n"
        "    for one in defs().get_repository_def().sensor_defs:\n"
        "        print(setting, one.name, one.default_status.name)\n"
        "    del os.environ[setting]\n"
        "    for name in [one for one in sys.modules if one.startswith('fraud_platform.d')]:\n"
        "        del sys.modules[name]"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *SWITCHES],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    for setting, sensors in SWITCHES.items():
        found = {name: status for by, name, status in lines if by == setting}
        assert found.keys() == SENSORS.keys()
        running = {name for name, status in found.items() if status == "RUNNING"}
        assert running == {*sensors, "platform_figures"}


def test_loading_the_definitions_imports_no_library_that_only_runs_need() -> None:
    program = (
        "import sys\n"
        "from fraud_platform.definitions import defs\n"
        "defs().get_repository_def()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    dear = {"xgboost", "mlflow", "feast", "sklearn", "matplotlib"}
    assert dear & set(done.stdout.split()) == set()
