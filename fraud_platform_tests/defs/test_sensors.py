"""The sensor of late rows, as a table of cases: what it requests, and what it remembers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.definitions import defs
from fraud_platform.lake.late import Made, TableDays
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.lake.rows import label, landed, payment

TODAY = datetime.now(UTC).date()
DAY = {n: TODAY - timedelta(days=n) for n in range(1, 12)}  # by how many days ago
RAW, LABELS = "raw_transactions", "transaction_labels"
SETTLED = "every made day holds what was landed for it"
TOO_LATE = (
    "1 days stay as they are, as rows were landed for them more than ingest.late_days = 7 days "
    f"after them: {{}} of {DAY[8]}"
)


@dataclass(frozen=True)
class Case:
    """Landed rows and the rows that days were made of, both by days ago; what a tick then does.

    `runs` are asset, first and last day of each request, `judged` the counts acted upon, by asset.
    """

    transactions: dict[int, int] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    raw_made: dict[int, int] = field(default_factory=dict)
    labels_made: dict[int, int] = field(default_factory=dict)
    runs: list[tuple[str, int, int]] = field(default_factory=list)
    judged: dict[str, dict[int, int]] = field(default_factory=dict)
    told: str | None = None


CASES = {
    "nothing landed, nothing made": Case(told=SETTLED),
    "landed and not made yet": Case(transactions={1: 3}, labels={1: 3}, told=SETTLED),
    "made of all that was landed": Case(
        transactions={1: 3, 2: 4}, raw_made={1: 3, 2: 4}, told=SETTLED
    ),
    "more landed for one day": Case(
        transactions={1: 3, 2: 4},
        raw_made={1: 3, 2: 3},
        runs=[(RAW, 2, 2)],
        judged={RAW: {2: 4}},
    ),
    "days in a row are one run, others their own": Case(
        transactions={2: 4, 3: 4, 5: 4},
        raw_made={2: 3, 3: 3, 5: 3},
        runs=[(RAW, 5, 5), (RAW, 3, 2)],
        judged={RAW: {2: 4, 3: 4, 5: 4}},
    ),
    "the last day that isn't too late": Case(
        transactions={7: 4}, raw_made={7: 3}, runs=[(RAW, 7, 7)], judged={RAW: {7: 4}}
    ),
    "too late": Case(
        transactions={8: 4},
        raw_made={8: 3},
        judged={RAW: {8: 4}},
        told=TOO_LATE.format("transactions"),
    ),
    "a label for a day that had none": Case(
        labels={2: 1}, labels_made={2: 0}, runs=[(LABELS, 2, 2)], judged={LABELS: {2: 1}}
    ),
    "a label that is too late": Case(
        labels={8: 1}, labels_made={8: 0}, judged={LABELS: {8: 1}}, told=TOO_LATE.format("labels")
    ),
    "transactions go before labels": Case(
        transactions={2: 4},
        labels={2: 1},
        raw_made={2: 3},
        labels_made={2: 0},
        runs=[(RAW, 2, 2)],
        judged={RAW: {2: 4}},
    ),
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def lake(data_dir) -> Lake:
    return Lake(data_dir / "lake")


def land(lake: Lake, transactions: dict[int, int], labels: dict[int, int]) -> None:
    noon = timedelta(hours=12) // timedelta(microseconds=1)
    rows = [
        {"kind": "transaction", **payment(f"{ago}-{n}", DAY[ago], at_us=noon)}
        for ago, count in transactions.items()
        for n in range(count)
    ] + [
        {
            "kind": "label",
            **label(f"{ago}-{n}", payment("", DAY[ago], at_us=noon)["timestamp_us"], is_fraud=True),
        }
        for ago, count in labels.items()
        for n in range(count)
    ]
    at = lake.position(LANDED_EVENTS, "test")
    lake.append(LANDED_EVENTS, landed(rows), source_id="test", start=at, end=at + len(rows))


def record(instance: dg.DagsterInstance, asset: str, made: dict[int, int]) -> None:
    for ago, rows in made.items():
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset, partition=DAY[ago].isoformat(), metadata={"landed_rows": rows}
            )
        )


def tick(instance: dg.DagsterInstance, cursor: str | None) -> SensorExecutionData:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - likewise

    repository = defs().get_repository_def()
    context = dg.build_sensor_context(
        instance, cursor, repository_def=repository, resources={"platform": Platform()}
    )
    return repository.get_sensor_def("late_transactions").evaluate_tick(context)


def runs(done: SensorExecutionData) -> list[tuple[str, date, date]]:
    return [
        (
            (one.asset_selection or [])[0].to_user_string(),
            date.fromisoformat(one.tags["dagster/asset_partition_range_start"]),
            date.fromisoformat(one.tags["dagster/asset_partition_range_end"]),
        )
        for one in done.run_requests or []
    ]


def remembered(done: SensorExecutionData) -> dict[str, dict[date, Made]]:
    from fraud_platform.defs.late_rows import Cursor  # noqa: PLC0415 - Dagster's beta warnings

    cursor = msgspec.json.decode(done.cursor or "", type=Cursor)
    assert not (cursor.transactions.remade | cursor.labels.remade | cursor.relabelled)
    return {RAW: cursor.transactions.made, LABELS: cursor.labels.made}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_tick_requests_what_is_behind_and_remembers_it(
    case: Case, instance: dg.DagsterInstance, lake: Lake
) -> None:
    land(lake, case.transactions, case.labels)
    record(instance, RAW, case.raw_made)
    record(instance, LABELS, case.labels_made)

    done = tick(instance, None)

    assert runs(done) == [(asset, DAY[first], DAY[last]) for asset, first, last in case.runs]
    assert done.skip_message == case.told
    for asset, made in ((RAW, case.raw_made), (LABELS, case.labels_made)):
        found = remembered(done)[asset]
        judged = case.judged.get(asset, {})
        assert {day: (one.landed_rows, one.judged) for day, one in found.items()} == {
            DAY[ago]: (rows, judged.get(ago)) for ago, rows in made.items()
        }


def test_a_day_is_requested_again_when_more_came_or_it_was_made_of_too_little(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    land(lake, {2: 4}, {})
    record(instance, RAW, {2: 3})
    first = tick(instance, None)
    # A tick whose cursor was lost asks for the same run by the same key, so it isn't run twice.
    assert tick(instance, None).run_requests == first.run_requests
    again = tick(instance, first.cursor)
    assert (again.run_requests, again.cursor) == ([], first.cursor)

    delta = lake.open(LANDED_EVENTS)
    assert delta is not None
    land(lake, {2: 1}, {})
    delta.update_incremental()
    delta.optimize.compact()  # no new rows
    more = tick(instance, again.cursor)
    assert runs(more) == [(RAW, DAY[2], DAY[2])]
    # Made by somebody who had read the table before the last rows came.
    record(instance, RAW, {2: 4})
    behind = tick(instance, more.cursor)
    assert runs(behind) == [(RAW, DAY[2], DAY[2])]
    record(instance, RAW, {2: 5})
    assert tick(instance, behind.cursor).skip_message == SETTLED
    keys = [one.run_key for done in (first, more, behind) for one in done.run_requests or []]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("job", ["late_transactions", "what_follows", "daily"])
def test_nothing_is_requested_while_an_earlier_run_is_unfinished(
    job: str, instance: dg.DagsterInstance, lake: Lake
) -> None:
    land(lake, {2: 4}, {})
    record(instance, RAW, {2: 3})
    run = instance.create_run_for_job(
        defs().get_repository_def().get_job(job), status=dg.DagsterRunStatus.STARTED
    )
    waits = tick(instance, "{}")
    assert (waits.run_requests or [], waits.cursor) == ([], "{}")
    assert waits.skip_message == f"run {run.run_id} hasn't ended yet"
    instance.report_run_canceled(run)
    assert runs(tick(instance, waits.cursor)) == [(RAW, DAY[2], DAY[2])]


@pytest.mark.parametrize("table", ["labels", "predictions"])
def test_quality_is_judged_again_on_the_days_that_hold_what_was_made_again(
    table: str, lake: Lake
) -> None:
    from fraud_platform.defs.late_rows import Cursor, Late  # noqa: PLC0415 - likewise

    settings = load_settings()
    settings.quality_dir.mkdir(parents=True)
    for ago in (1, 2, 4, 9, 10):  # the others have no report yet
        (settings.quality_dir / f"{DAY[ago]}.json").touch()
    remade = TableDays(made={DAY[8]: Made(3, 41), DAY[3]: Made(2, 17)}, remade={DAY[8]})
    cursor = Cursor()
    setattr(cursor, table, remade)
    (again, last) = Late(settings, lake, cursor, TODAY).requests(None)
    assert [again.tags["dagster/asset_partition_range_start"], again.run_key] == [
        str(DAY[4]),
        f"prediction_quality {DAY[4]} to {DAY[4]}: 41",
    ]
    assert last.run_key == f"prediction_quality {DAY[2]} to {DAY[1]}: 41"
    assert [key.to_user_string() for key in last.asset_selection or []] == ["prediction_quality"]
    assert Late(settings, lake, cursor, TODAY).requests(None) == []
