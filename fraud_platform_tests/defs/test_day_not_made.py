"""The sensor of a day that is not there: cursor, who is told, with what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.definitions import defs
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform_tests.alerts.servers import HttpServer
from fraud_platform_tests.lake.rows import landed, payment, rows_of

repository = cache(defs().get_repository_def)
TODAY = (datetime.now(UTC) - timedelta(hours=4)).date()
DUE = TODAY - timedelta(days=1)
ALL = (
    "raw_transactions, daily_tiles, transaction_habits, transaction_labels, label_tiles, "
    "transaction_features"
)
RANGE = {
    "dagster/asset_partition_range_start": str(DUE - timedelta(days=3)),
    "dagster/asset_partition_range_end": str(DUE),
}


@dataclass(frozen=True)
class Case:
    """Landed rows of the day, what Dagster made of it, the tags and status of a run; what is said
    of it, and whether with a link."""

    rows: int = 2
    made: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.FAILURE
    said: str = ""
    link: bool = True


CASES = {
    "nobody asked for it": Case(
        said=f"2 of its transactions are landed. Not made: {ALL}. No run of it was asked for: is "
        "the schedule daily_at_02_00 on?",
        link=False,
    ),
    "nothing of it landed": Case(
        rows=0, said=f"0 of its transactions are landed. Not made: {ALL}. No run", link=False
    ),
    "its run failed": Case(
        made=["raw_transactions", "daily_tiles"],
        tags={"dagster/partition": str(DUE)},
        said="2 of its transactions are landed. Not made: transaction_habits, transaction_labels, "
        "label_tiles, transaction_features. Run {} of job daily ended as FAILURE.",
    ),
    "a run of several days failed": Case(tags=RANGE, said="Run {} of job daily ended as FAILURE."),
    "a run of another day failed": Case(
        tags={"dagster/partition": str(TODAY)}, said="No run of it was asked for", link=False
    ),
    "its run is late": Case(
        tags={"dagster/partition": str(DUE)},
        status=dg.DagsterRunStatus.STARTED,
        said="Run {} of job daily hasn't ended yet.",
    ),
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    monkeypatch.setenv("PREDICTFLOW_DAGSTER_URL", "http://dagster:3000/")
    with HttpServer() as server:
        monkeypatch.setenv("PREDICTFLOW_ALERTS_WEBHOOK_URL", f"{server.url}/hook")
        yield server


@pytest.fixture
def lake(data_dir: Path) -> Lake:
    return Lake(data_dir / "lake")


def land(lake: Lake, day: date, rows: int) -> None:
    events = [{"kind": "transaction", **payment(f"{day}-{n}", day)} for n in range(rows)]
    at = lake.position(LANDED_EVENTS, "test")
    lake.append(LANDED_EVENTS, landed(events), source_id="test", start=at, end=at + len(events))


def make(lake: Lake, day: date) -> None:
    rows = rows_of(TRANSACTION_FEATURES, [{"event_date": day, "user_id": "u"}])
    lake.replace_days(TRANSACTION_FEATURES, day, day + timedelta(days=1), rows)


def tick(instance: dg.DagsterInstance, cursor: str | None) -> SensorExecutionData:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - Dagster's beta warnings

    context = dg.build_sensor_context(
        instance, cursor, repository_def=repository(), resources={"platform": Platform()}
    )
    return repository().get_sensor_def("day_not_made").evaluate_tick(context)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_day_that_is_not_made_is_told_once_a_day_and_taken_back(
    case: Case, instance: dg.DagsterInstance, lake: Lake, hook: HttpServer
) -> None:
    land(lake, DUE - timedelta(days=1), 1)
    land(lake, DUE, case.rows)
    for name in case.made:
        instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=str(DUE)))
    run = instance.create_run_for_job(
        repository().get_job("daily"), status=case.status, tags=case.tags
    )

    done = tick(instance, None)

    (text,) = hook.texts
    assert text.startswith(f"*[error] {DUE} isn't made by 04:00 UTC of the day after*\n")
    assert case.said.format(run.run_id) in text
    assert text.endswith(f"<http://dagster:3000/runs/{run.run_id}|Open it>") == case.link
    assert done.run_requests == []
    assert done.skip_message == f"not made: {DUE}"
    assert msgspec.json.decode(done.cursor or "") == {str(DUE): str(TODAY)}

    again = tick(instance, done.cursor)
    assert (again.cursor, len(hook.texts)) == (done.cursor, 1)

    make(lake, DUE)
    over = tick(instance, again.cursor)
    assert [text.partition("\n")[0] for text in hook.texts[1:]] == [f"*[resolved] {DUE} is made*"]
    assert (over.cursor, over.skip_message) == ("{}", f"{DUE} is made")
    assert tick(instance, over.cursor).cursor == "{}"
    assert len(hook.texts) == 2


def test_a_platform_without_data_is_not_late(
    instance: dg.DagsterInstance, hook: HttpServer
) -> None:
    done = tick(instance, None)
    assert (done.skip_message, done.cursor) == ("nothing has been landed yet", None)
    assert hook.texts == []
