"""The model as assets: trained, reported, deployed, and what is refused on the way."""

import json
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import mlflow
import msgspec
import polars as pl
import pytest

from fraud_platform.contracts.tables import PREDICTION_LOG, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import MODEL as MODEL_FILE
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.modelling.record import (
    EVALUATION,
    TRAINING,
    EvaluationRecord,
    Rival,
    TrainingRecord,
)
from fraud_platform.modelling.report import PLOTS
from fraud_platform.propensity import Weighed
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.lake.rows import rows_of
from fraud_platform_tests.world import FIRST, LAST, MODEL, make

pytestmark = pytest.mark.usefixtures("short_window")
END = LAST + timedelta(days=1)


def relabel(lake: Lake, verdict: pl.Expr) -> None:
    labels = lake.read(TRANSACTION_LABELS, FIRST, END)
    lake.replace_days(TRANSACTION_LABELS, FIRST, END, labels.with_columns(is_fraud=verdict))


@pytest.mark.usefixtures("tables")
def test_the_days_model_is_registered_reported_and_deployed() -> None:
    make(MODEL, LAST, LAST)
    settings = load_settings()
    registry = Registry(settings)
    registered = registry.newest(LAST.isoformat())
    assert registry.champion() == registered
    bundle = champion_path(settings.bundles_dir)
    assert bundle is not None
    manifest, model = read_bundle(bundle)
    assert manifest.features == list(FEATURE_NAMES)
    assert manifest.partition == LAST.isoformat()
    assert (manifest.model_name, manifest.model_version) == (MODEL_NAME, registered.version)
    assert set(manifest.table_versions) == {"transaction_features", "transaction_labels"}
    assert (
        manifest.metrics["average_precision"]
        > manifest.metrics["frauds"] / manifest.metrics["rows"]
    )
    assert set(manifest.reference) == {*FEATURE_NAMES, "score"}
    with registry.model_file(registered.version) as path:
        assert path.read_bytes() == model
    files = {path.name for path in Path(settings.mlflow_artifacts).rglob("*") if path.is_file()}
    assert {"report.html", "roc.png", "precision_recall.png", "calibration.png"} <= files
    assert not {name for name in files if name.endswith((".pkl", ".pickle"))}
    (page,) = Path(settings.mlflow_artifacts).rglob("report.html")
    told = page.read_text()
    assert "32 features are the catalogue" in told  # what the gate said
    assert told.count("<img") == len(PLOTS)


def test_what_was_let_pass_is_weighed_in_training_and_in_the_report(tables: Lake) -> None:
    paid = tables.read(RAW_TRANSACTIONS, FIRST, END)
    drawn = paid.filter(pl.int_range(pl.len()) % 5 == 0).with_columns(
        passed=pl.int_range(pl.len()) % 4 == 0, decided_us=pl.col("timestamp_us")
    )
    log = drawn.with_columns(
        decision_id=pl.col("transaction_id"),
        action=pl.when("passed").then(pl.lit("allow")).otherwise(pl.lit("block")),
        propensity=pl.when("passed").then(0.25).otherwise(0.75),
        is_fraud=pl.lit(value=True),
    )
    tables.replace_days(PREDICTION_LOG, FIRST, END, rows_of(PREDICTION_LOG, log.to_dicts()))

    make(["fraud_model", "evaluation_report"], LAST, LAST)

    registry = Registry(load_settings())
    run_id = registry.newest(LAST.isoformat()).run_id
    training: TrainingRecord = registry.document(run_id, TRAINING, TrainingRecord)
    record: EvaluationRecord = registry.document(run_id, EVALUATION, EvaluationRecord)
    assert PREDICTION_LOG.name in training.table_versions
    days = pl.col("event_date").is_between(training.split.test.start, training.split.test.last)
    passed = drawn.filter(days, "passed").height
    blocked = drawn.filter(days).height - passed
    assert record.weighed == Weighed(
        passed=passed, counted=4.0 * passed, blocked=blocked, over_limit=0
    )
    assert record.metrics["rows"] == paid.filter(days).height - blocked
    (page,) = Path(load_settings().mlflow_artifacts).rglob("report.html")
    assert f"{blocked:,} that were blocked and are left out" in page.read_text()


@pytest.mark.usefixtures("tables")
def test_a_day_trained_twice_gives_the_same_bytes() -> None:
    registry = Registry(load_settings())
    digests = set()
    for _ in range(2):
        make(["fraud_model"], LAST, LAST)
        digests.add(registry.newest(LAST.isoformat()).sha256)
    assert len(digests) == 1
    assert registry.newest(LAST.isoformat()).version == "2"


@pytest.mark.usefixtures("tables")
def test_an_older_day_does_not_replace_the_live_model() -> None:
    make(MODEL, LAST, LAST)
    before = champion_path(load_settings().bundles_dir)
    older = LAST - timedelta(days=1)
    with pytest.raises(PredictFlowError, match="not_older"):
        make(MODEL, older, older)
    assert champion_path(load_settings().bundles_dir) == before
    champion = Registry(load_settings()).champion()
    assert champion is not None
    assert champion.partition == LAST.isoformat()


@pytest.mark.usefixtures("tables")
def test_deployed_twice_is_deployed_once() -> None:
    make(MODEL, LAST, LAST)
    before = champion_path(load_settings().bundles_dir)
    make(["deployed_model"], LAST, LAST)
    assert champion_path(load_settings().bundles_dir) == before


@pytest.mark.usefixtures("tables")
def test_a_model_without_its_report_is_not_deployed() -> None:
    make(["fraud_model"], LAST, LAST)
    with pytest.raises(PredictFlowError, match="evaluated"):
        make(["deployed_model"], LAST, LAST)
    assert champion_path(load_settings().bundles_dir) is None


@pytest.mark.usefixtures("tables")
def test_a_registry_file_that_was_tampered_with_is_not_deployed() -> None:
    make(["fraud_model", "evaluation_report"], LAST, LAST)
    (model,) = load_settings().mlflow_artifacts.rglob("model.ubj")
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    with pytest.raises(PredictFlowError, match="intact"):
        make(["deployed_model"], LAST, LAST)
    assert champion_path(load_settings().bundles_dir) is None


@pytest.mark.usefixtures("tables")
def test_a_report_without_a_model_says_what_to_make() -> None:
    with pytest.raises(PredictFlowError, match=f"--from {LAST} --to {LAST} --select fraud_model"):
        make(["evaluation_report"], LAST, LAST)


@pytest.mark.usefixtures("tables")
def test_a_day_whose_labels_are_not_mature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Labels come after seven days; to count them as final after five is to train too early.
    monkeypatch.setenv("PREDICTFLOW_LABELS_MATURITY_DAYS", "5")
    with pytest.raises(PredictFlowError, match="label") as refusal:
        make(["fraud_model"], LAST, LAST)
    assert (LAST - timedelta(days=6)).isoformat() in str(refusal.value)


@pytest.mark.usefixtures("tables")
def test_a_window_that_begins_before_the_data_is_refused() -> None:
    early = FIRST + timedelta(days=10)
    with pytest.raises(PredictFlowError, match="predictflow materialize --from") as refusal:
        make(["fraud_model"], early, early)
    assert "no rows" in str(refusal.value)


@pytest.mark.parametrize("verdict", [True, False])
def test_a_window_with_one_class_is_refused(tables: Lake, verdict: bool) -> None:
    relabel(tables, pl.lit(verdict))
    with pytest.raises(PredictFlowError, match="fraud"):
        make(["fraud_model"], LAST, LAST)
    assert not load_settings().mlflow_artifacts.exists()


def test_the_report_speaks_of_the_rows_that_training_read(tables: Lake) -> None:
    make(["fraud_model"], LAST, LAST)
    relabel(tables, ~pl.col("is_fraud"))
    make(["evaluation_report"], LAST, LAST)
    (found,) = load_settings().mlflow_artifacts.rglob("evaluation.json")
    metrics = json.loads(found.read_text())["metrics"]
    assert metrics["frauds"] < metrics["rows"] / 2


def report_of(day: date) -> EvaluationRecord:
    registry = Registry(load_settings())
    run = registry.newest(day.isoformat()).run_id
    return registry.document(run, EVALUATION, EvaluationRecord)


def page_of(model_version: str) -> str:
    pages = (path.read_text() for path in load_settings().mlflow_artifacts.rglob("report.html"))
    (found,) = [page for page in pages if f"<h1>{MODEL_NAME} v{model_version}</h1>" in page]
    return found.replace("<wbr>", "")


def champion_of(report: EvaluationRecord) -> Rival:
    (found,) = [one for one in report.rivals if one.name == "champion"]
    return found


@pytest.mark.usefixtures("tables")
def test_the_report_of_a_second_model_names_the_champion_with_gains() -> None:
    make(MODEL, LAST - timedelta(days=1), LAST - timedelta(days=1))
    first = champion_path(load_settings().bundles_dir)
    assert first is not None
    with dg.DagsterInstance.ephemeral() as instance:
        make(["fraud_model", "evaluation_report"], LAST, LAST, instance)
        event = instance.get_latest_materialization_event(dg.AssetKey("evaluation_report"))
    report = report_of(LAST)
    assert [one.name for one in report.rivals] == ["champion", "amount rule", "never fraud"]
    champion = champion_of(report)
    assert (champion.model_version, champion.seen) == ("1", None)
    assert champion.sha256 == read_bundle(first)[0].sha256[MODEL_FILE] != report.sha256
    assert report.incomparable is None
    assert champion.metrics["average_precision"] != report.metrics["average_precision"]
    for name in ("average_precision", "auc_roc", "money_saved"):
        assert champion.gain[name].low <= champion.gain[name].high
        assert report.intervals[name].low < report.metrics[name] < report.intervals[name].high
    page = page_of("2")
    assert "Champion v1" in page
    assert "merchant age: over 7 days" in page
    logged = mlflow.MlflowClient(load_settings().mlflow_uri).get_run(
        Registry(load_settings()).newest(LAST.isoformat()).run_id
    )
    metrics = logged.data.metrics
    assert metrics["test_money_saved_low"] == report.intervals["money_saved"].low
    assert metrics["champion_auc_roc"] == champion.metrics["auc_roc"]
    gain = champion.gain["average_precision"]
    assert metrics["gain_on_champion_average_precision_high"] == gain.high
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert "more than: Champion v1" in str(shown["rivals"].value)
    assert " to " in str(shown["average_precision_interval"].value)


@pytest.mark.usefixtures("tables")
def test_a_champion_that_cannot_be_read_is_told_and_the_report_is_made() -> None:
    make(MODEL, LAST, LAST)
    live = champion_path(load_settings().bundles_dir)
    assert live is not None
    (live / MODEL_FILE).write_bytes(b"damaged")
    make(["evaluation_report"], LAST, LAST)
    report = report_of(LAST)
    assert [one.name for one in report.rivals] == ["amount rule", "never fraud"]
    assert "the live model can't be read" in str(report.incomparable)
    assert "Not compared with the champion" in page_of("1")


@pytest.mark.usefixtures("tables")
def test_a_champion_that_is_the_same_model_or_saw_the_test_days_is_told() -> None:
    make(MODEL, LAST, LAST)
    make(["evaluation_report"], LAST, LAST)
    same = report_of(LAST)
    assert champion_of(same).sha256 == same.sha256
    assert champion_of(same).metrics == same.metrics
    assert "this very model" in page_of("1")
    older = LAST - timedelta(days=6)
    make(["fraud_model", "evaluation_report"], older, older)
    assert champion_of(report_of(older)).seen is not None
    assert "it had seen the answers" in page_of("2")


@pytest.mark.usefixtures("tables")
def test_training_leaves_a_record_that_names_what_it_read() -> None:
    make(["fraud_model"], LAST, LAST)
    (found,) = load_settings().mlflow_artifacts.rglob("training.json")
    record = msgspec.json.decode(found.read_bytes())
    assert record["split"]["test"]["end"] == (LAST - timedelta(days=6)).isoformat()
    assert record["table_versions"]["transaction_features"] >= 0
