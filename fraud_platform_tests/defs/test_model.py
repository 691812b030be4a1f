"""The model as assets: trained, reported, deployed, and what is refused on the way."""

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from fraud_platform.contracts.tables import TRANSACTION_LABELS
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.settings import load_settings
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


@pytest.mark.usefixtures("tables")
def test_training_leaves_a_record_that_names_what_it_read() -> None:
    make(["fraud_model"], LAST, LAST)
    (found,) = load_settings().mlflow_artifacts.rglob("training.json")
    record = msgspec.json.decode(found.read_bytes())
    assert record["split"]["test"]["end"] == (LAST - timedelta(days=6)).isoformat()
    assert record["table_versions"]["transaction_features"] >= 0
