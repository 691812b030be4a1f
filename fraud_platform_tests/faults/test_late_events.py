"""Rows that land after their day was made: the tables end as if they had been in time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.definitions import defs
from fraud_platform.defs.resources import Platform
from fraud_platform.features.state import VIEWS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.faults.late_world import LateWorld, land_parts, late_days_until
from fraud_platform_tests.world import FIRST, LAST, TABLES, make

ALL = (RAW_TRANSACTIONS, TRANSACTION_LABELS, TRANSACTION_FEATURES)
OLDEST = LAST - timedelta(days=9)
LATE = (OLDEST, OLDEST + timedelta(days=1), LAST - timedelta(days=3))
LATE_LABELS = (LAST - timedelta(days=1), OLDEST)
TOO_LATE = OLDEST - timedelta(days=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def parts(world_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setenv("PREDICTFLOW_INGEST_LATE_DAYS", str(late_days_until(OLDEST)))
    world = LateWorld(pl.read_parquet(world_file), LATE, LATE_LABELS, TOO_LATE)
    return world.write(tmp_path / "parts")


def settle(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str]:
    """Ticks and runs what is requested until nothing is; all requests, and why there are no more.

    A request whose key was seen before isn't run, as the daemon does it.
    """
    repository = defs().get_repository_def()
    sensor = repository.get_sensor_def("late_transactions")
    cursor, requests = None, []
    for _ in range(20):
        context = dg.build_sensor_context(
            instance, cursor, repository_def=repository, resources={"platform": Platform()}
        )
        tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        if not tick.run_requests:
            return requests, tick.skip_message or ""
        for request in tick.run_requests:
            assert request.run_key not in {one.run_key for one in requests}
            requests.append(request)
            assert request.job_name
            done = repository.get_job(request.job_name).execute_in_process(
                instance=instance,
                tags=request.tags,
                asset_selection=list(request.asset_selection or ()),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            assert done.success
    raise AssertionError(f"the sensor doesn't come to rest: {requests[-5:]}")


def content(lake: Lake) -> dict[str, pl.DataFrame]:
    return {table.name: lake.read(table, FIRST, LAST + timedelta(days=1)) for table in ALL}


FEATURES = "transaction_features"
"""What is made in one run with all that it is made of."""


def asked(requests: list[dg.RunRequest]) -> list[tuple[str, str, str]]:
    """Asset (the last of several), first and last day of each request."""
    return [
        (
            one.asset_selection[-1].to_user_string(),
            one.tags["dagster/asset_partition_range_start"],
            one.tags["dagster/asset_partition_range_end"],
        )
        for one in requests
        if one.asset_selection
    ]


def records(instance: dg.DagsterInstance, asset: str) -> dict[date, int]:
    """How often each day was made."""
    found = instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    days = [date.fromisoformat(str(record.partition_key)) for record in found]
    return {day: days.count(day) for day in sorted(set(days))}


def test_late_rows_leave_the_tables_as_if_they_had_come_in_time(
    instance: dg.DagsterInstance,
    parts: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = land_parts(load_settings(), parts["in_time"], parts["labels_in_time"])
    make(TABLES, FIRST, LAST, instance)
    assert settle(instance) == ([], "every made day holds what was landed for it")
    before = {name: records(instance, name) for name in TABLES}

    land_parts(load_settings(), parts["late"], parts["too_late"], parts["labels_late"])
    requests, why = settle(instance)

    day = {0: str(OLDEST), 1: str(LATE[1]), 2: str(LATE[2]), "last": str(LAST)}
    assert asked(requests)[:2] == [
        ("raw_transactions", day[0], day[1]),
        ("raw_transactions", day[2], day[2]),
    ]
    labels = {one for one in asked(requests) if one[0] == "transaction_labels"}
    # Late labels' own days; and those on which labels of the late transactions became known.
    known = [one + timedelta(days=7) for one in LATE if one + timedelta(days=7) <= LAST]
    assert {(first, last) for _, first, last in labels} == {
        (str(LATE_LABELS[1]), str(LATE_LABELS[1])),
        (str(known[0]), str(LAST - timedelta(days=1))),
    }
    assert asked(requests)[-1:] == [("transaction_features", day[0], day["last"])]
    assert len(requests) == 2 + 2 + 1
    assert f"transactions of {TOO_LATE}" in why
    for name in TABLES:
        again = {one: records(instance, name)[one] - before[name][one] for one in before[name]}
        cause = name if name in ("raw_transactions", "transaction_labels") else FEATURES
        wanted = [span for span in asked(requests) if span[0] == cause]
        assert {one for one, times in again.items() if times} == {
            one for one in again for _, first, last in wanted if first <= one.isoformat() <= last
        }

    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "fresh"))
    in_time = [path for name, path in parts.items() if name != "too_late"]
    fresh = land_parts(load_settings(), *in_time)
    make(TABLES, FIRST, LAST)
    for name, expected in content(fresh).items():
        assert content(lake)[name].equals(expected), name


def test_the_online_state_is_written_again_where_late_rows_reach_it(
    instance: dg.DagsterInstance, parts: dict[str, Path]
) -> None:
    land_parts(load_settings(), parts["in_time"], parts["labels_in_time"])
    make([*TABLES, "online_features"], FIRST, LAST, instance)
    stale = online_store()

    land_parts(load_settings(), parts["late"], parts["labels_late"])
    requests, _ = settle(instance)

    assert asked(requests)[-1] == ("online_features", str(LAST), str(LAST))
    rewritten = online_store()
    assert rewritten != stale
    make(["online_features"], LAST, LAST, instance)
    assert online_store() == rewritten


def online_store() -> list[tuple[object, ...]]:
    """Keys and values of every online row."""
    path = load_settings().online_store
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as store:
        return [
            row
            for view in VIEWS
            for row in store.execute(
                f'SELECT entity_key, feature_name, value FROM "{view.table}" ORDER BY 1, 2'
            )
        ]
