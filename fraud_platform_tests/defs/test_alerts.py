"""The sensors that alert, as tables of cases: requests, cursor, and what was told whom."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.definitions.sensor_definition import SensorExecutionData

from fraud_platform.alerts.sending import send
from fraud_platform.alerts.state import read_state
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.definitions import defs
from fraud_platform.features.tables import TABLES as FEATURE_TABLES
from fraud_platform.lake.store import Lake
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import load_settings
from fraud_platform_tests.alerts.raised import HOOK_PATH, alert
from fraud_platform_tests.alerts.servers import HttpServer
from fraud_platform_tests.defs.test_tables import put_bad_rows
from fraud_platform_tests.world import LAST

DAY = {"dagster/partition": "2026-04-09"}
RANGE = {
    "dagster/asset_partition_range_start": "2026-04-01",
    "dagster/asset_partition_range_end": "2026-04-09",
}


@dg.asset(check_specs=[dg.AssetCheckSpec("positive", asset="payments", blocking=True)])
def payments(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Breaks its blocking check before its commit, as `checks.enforce` does."""
    context.log_event(
        dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]
            asset_key=context.asset_key, check_name="positive", passed=False, blocking=True
        )
    )
    raise dg.Failure("positive broken by 1 row. Nothing was written")


@dg.asset(check_specs=[dg.AssetCheckSpec("complete", asset="labels", blocking=True)])
def labels() -> dg.MaterializeResult:
    """Breaks its blocking check after its commit."""
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name="complete", passed=False)]
    )


@dg.asset(check_specs=[dg.AssetCheckSpec("usual", asset="means")])
def means() -> dg.MaterializeResult:
    """Breaks a check that doesn't block."""
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name="usual", passed=False)]
    )


@dg.asset(
    check_specs=[dg.AssetCheckSpec("even", asset="retried", blocking=True)],
    retry_policy=dg.RetryPolicy(max_retries=1),
)
def retried(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Breaks its check at first; its second try fails for another reason."""
    passed = context.retry_number > 0
    context.log_event(
        dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]
            asset_key=context.asset_key, check_name="even", passed=passed, blocking=True
        )
    )
    raise ValueError("the disk is full")


@dg.asset
def model() -> dg.MaterializeResult:
    raise ValueError("no label is known")


@dg.asset
def fine() -> dg.MaterializeResult:
    return dg.MaterializeResult()


@dataclass(frozen=True)
class Case:
    """Assets that a run of the job `day` makes, with its tags; who is told what of it."""

    assets: list[dg.AssetsDefinition]
    tags: dict[str, str] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)
    data_quality: list[str] = field(default_factory=list)


CASES = {
    "a run that succeeds": Case([fine]),
    "a check that doesn't block": Case([means]),
    "a step that fails": Case(
        [model, fine], operations=["*[error] Job day failed*\nmodel: ValueError: no label is known"]
    ),
    "a step that fails, of a day": Case(
        [model],
        DAY,
        operations=["*[error] Job day failed of 2026-04-09*\nmodel: ValueError: no label is known"],
    ),
    "a blocking check before the commit": Case(
        [payments, fine],
        RANGE,
        data_quality=[
            (
                "*[error] Data quality: payments positive failed of 2026-04-01 to 2026-04-09*\n"
                "positive broken by 1 row. Nothing was written"
            )
        ],
    ),
    "a blocking check after the commit": Case(
        [labels], DAY, data_quality=["*[error] Data quality: labels complete failed of 2026-04-09*"]
    ),
    "a check that passed at the second try": Case(
        [retried], operations=["*[error] Job day failed*\nretried: ValueError: the disk is full"]
    ),
    "both": Case(
        [labels, model],
        operations=["*[error] Job day failed*\nmodel: ValueError: no label is known"],
        data_quality=["*[error] Data quality: labels complete failed*"],
    ),
    "a run that is tried again": Case(
        [model],
        {"dagster/will_retry": "true"},
        operations=[
            "*[warning] Job day failed, and is tried again*\nmodel: ValueError: no label is known"
        ],
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
        monkeypatch.setenv("PREDICTFLOW_ALERTS_WEBHOOK_URL", f"{server.url}/operations")
        monkeypatch.setenv(
            "PREDICTFLOW_ALERTS_DATA_QUALITY_WEBHOOK_URL", f"{server.url}/data_quality"
        )
        yield server


def execute(
    instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], tags: dict[str, str]
) -> str:
    """The id of a finished run of these assets."""
    job = dg.Definitions(assets, jobs=[dg.define_asset_job("day")]).resolve_job_def("day")
    # The tags of a range are for partitioned assets; the sensor only reads them.
    ran = job.execute_in_process(instance=instance, raise_on_error=False)
    instance.add_run_tags(ran.run_id, tags)
    return ran.run_id


def tick(instance: dg.DagsterInstance, sensor: str, cursor: str | None) -> SensorExecutionData:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - Dagster's beta warnings

    repository = defs().get_repository_def()
    context = dg.build_sensor_context(
        instance, cursor, repository_def=repository, resources={"platform": Platform()}
    )
    return repository.get_sensor_def(sensor).evaluate_tick(context)


def seen(done: SensorExecutionData) -> int:
    """The event that the sensor of failed runs has come to."""
    return RunStatusSensorCursor.from_json(done.cursor or "").record_id


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_failed_run_is_told_to_whom_it_concerns(
    case: Case, instance: dg.DagsterInstance, hook: HttpServer
) -> None:
    execute(instance, [model], {})
    first = tick(instance, "failed_runs", None)
    assert hook.posts == []  # what failed before the sensor was switched on is old news
    run_id = execute(instance, case.assets, case.tags)

    done = tick(instance, "failed_runs", first.cursor)

    told: dict[str, list[str]] = {"/operations": [], "/data_quality": []}
    for path, post in hook.posts:
        told[path].append(post["text"])
    for path, expected in (
        ("/operations", case.operations),
        ("/data_quality", case.data_quality),
    ):
        assert len(told[path]) == len(expected)
        for text, begin in zip(told[path], expected, strict=True):
            assert text.startswith(begin)
            assert text.endswith(f"<http://dagster:3000/runs/{run_id}|Open it>")
    assert done.run_requests == []
    failed = bool(case.operations or case.data_quality)
    assert (seen(done) > seen(first)) == failed
    assert [one.error for one in done.dagster_run_reactions or []] == [None] * failed

    again = tick(instance, "failed_runs", done.cursor)
    assert (again.cursor, len(hook.posts)) == (
        done.cursor,
        len(case.operations) + len(case.data_quality),
    )


def test_a_day_of_broken_data_stops_keeps_the_former_and_tells_the_data_quality_channel(
    instance: dg.DagsterInstance, hook: HttpServer, tables: Lake
) -> None:
    cursor = tick(instance, "failed_runs", None).cursor
    before = {table.name: tables.version(table) for table in (RAW_TRANSACTIONS, *FEATURE_TABLES)}
    put_bad_rows(tables, LAST)

    day = (
        defs()
        .resolve_job_def("daily")
        .execute_in_process(instance=instance, partition_key=LAST.isoformat(), raise_on_error=False)
    )
    tick(instance, "failed_runs", cursor)

    made = {event.step_key for event in day.all_events if event.is_step_materialization}
    assert made == {"prediction_log"}  # which no transaction is made of
    assert before == {
        table.name: tables.version(table) for table in (RAW_TRANSACTIONS, *FEATURE_TABLES)
    }
    ((path, post),) = hook.posts
    broken = "raw_transactions amount_in_range, raw_transactions user_id_not_null"
    assert path == "/data_quality"
    assert post["text"].startswith(
        f"*[error] Data quality: {broken} failed of {LAST}*\namount_in_range broken by 1 row"
    )
    assert "Nothing was written, the former data stay." in post["text"]


def test_a_job_that_fails_again_and_again_is_told_once_a_day_each(
    instance: dg.DagsterInstance, hook: HttpServer
) -> None:
    cursor = tick(instance, "failed_runs", None).cursor
    for assets, tags in (
        ([model], {}),
        ([model], DAY),  # the same step of the same job
        ([labels], DAY),
        ([labels], {"dagster/partition": "2026-04-10"}),  # another day's data
        ([labels], DAY),
    ):
        execute(instance, assets, tags)
        cursor = tick(instance, "failed_runs", cursor).cursor
    assert [path for path, _ in hook.posts] == ["/operations", *["/data_quality"] * 2]


def test_a_run_that_is_given_up_is_told_though_its_first_failure_was(
    instance: dg.DagsterInstance, hook: HttpServer
) -> None:
    cursor = tick(instance, "failed_runs", None).cursor
    for tags in ({"dagster/will_retry": "true"}, {"dagster/will_retry": "true"}, {}):
        execute(instance, [model], tags)
        cursor = tick(instance, "failed_runs", cursor).cursor
    assert [text.split()[0] for text in hook.texts] == ["*[warning]", "*[error]"]


def test_a_run_that_fails_before_its_first_step_is_told_in_its_own_words(
    instance: dg.DagsterInstance, hook: HttpServer
) -> None:
    cursor = tick(instance, "failed_runs", None).cursor
    job = defs().get_repository_def().get_job("maintenance")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "its process died")
    tick(instance, "failed_runs", cursor)
    assert hook.texts[0].startswith("*[error] Job maintenance failed*\nits process died\n")


def test_a_target_that_is_down_fails_no_tick_and_the_next_sensor_sends_what_waits(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("PREDICTFLOW_ALERTS_WEBHOOK_URL", f"http://127.0.0.1:{port}{HOOK_PATH}")
    cursor = tick(instance, "failed_runs", None).cursor
    execute(instance, [model], {})
    done = tick(instance, "failed_runs", cursor)
    assert [one.error for one in done.dagster_run_reactions or []] == [None]

    waits = tick(instance, "waiting_alerts", None)
    assert (waits.skip_message or "").startswith("0 sent, 1 waiting; webhook: it can't be reached")
    with HttpServer(port) as hook:
        assert tick(instance, "waiting_alerts", None).skip_message == "1 sent, 0 waiting"
        quiet = tick(instance, "waiting_alerts", None)
    assert (quiet.skip_message, quiet.run_requests, quiet.cursor) == ("0 sent, 0 waiting", [], None)
    assert len(hook.posts) == 1


def test_what_was_dropped_is_told_in_the_log_of_the_tick(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREDICTFLOW_ALERTS_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}")
    for n in range(2):
        send(load_settings(), alert(key=f"k{n}"))
    monkeypatch.setenv("PREDICTFLOW_ALERTS_OUTBOX_ALERTS", "1")
    tick(instance, "waiting_alerts", None)
    assert read_state(load_settings().alerts_dir).dropped == 1
    assert "1 alerts never reached their target and were dropped" in capsys.readouterr().err
