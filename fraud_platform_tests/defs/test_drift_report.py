"""`drift_report` on the small world: judged, refused with its reason, and kept as a page."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import polars as pl
import pytest

from fraud_platform.contracts.decisions import Decision, encode_decisions
from fraud_platform.contracts.tables import PREDICTION_LOG
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.predictions import prediction_rows
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import MANIFEST, MODEL, read_bundle
from fraud_platform.modelling.dataset import matrix_of
from fraud_platform.modelling.predict import load_booster, predict
from fraud_platform.modelling.reference import build_reference
from fraud_platform.monitoring.drift_day import LOGGED, NOT_LOGGED, DriftReport
from fraud_platform.settings import load_settings
from fraud_platform_tests.contracts.test_decisions import a_decision
from fraud_platform_tests.serving.conftest import deploy, models
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.world import LAST, make

__all__ = ["deploy", "models"]
ASSET = dg.AssetKey("drift_report")
END = LAST + timedelta(days=1)
"""The reference is of the last ten days but LAST, which have as much history behind them."""


@pytest.fixture
def on() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def live(tables: Lake, models: dict[str, Path], deploy: Deploy) -> Path:
    """A live model whose reference is of the ten days before LAST."""
    rows = tables.read(TRANSACTION_FEATURES, LAST - timedelta(days=10), LAST)
    matrix = matrix_of(rows)
    booster = load_booster(models["1"].read_bytes(), FEATURE_NAMES)
    reference = build_reference(matrix, predict(booster, matrix))
    partition = (LAST - timedelta(days=1)).isoformat()
    return deploy(load_settings(), reference=reference, partition=partition)


def report(day: date = LAST) -> DriftReport:
    found = (load_settings().drift_dir / f"{day}.json").read_bytes()
    return msgspec.json.decode(found, type=DriftReport)


def page(day: date = LAST) -> str:
    return (load_settings().drift_dir / f"{day}.html").read_text().replace("<wbr>", "")


def metadata(on: dg.DagsterInstance) -> Any:
    event = on.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata


def move(lake: Lake, **columns: pl.Expr) -> None:
    rows = lake.read(TRANSACTION_FEATURES, LAST, END)
    lake.replace_days(TRANSACTION_FEATURES, LAST, END, rows.with_columns(**columns))


@pytest.mark.usefixtures("live")
def test_a_quiet_day_passes_both_checks_and_has_a_page(on: dg.DagsterInstance) -> None:
    ran = make(["drift_report"], LAST, LAST, on)
    assert ran.warnings == []
    found = report()
    assert found.drifted is not None
    assert (found.findings, found.drifted.vanished, found.drifted.unknown) == ([], [], [])
    assert [one.name for one in found.drifted.measured] == [*FEATURE_NAMES, "score"]
    assert (found.model_version, found.scores) == ("1", NOT_LOGGED)
    assert found.weekdays == [str(LAST - timedelta(weeks=i)) for i in range(1, 5)]
    said = f"{LAST} is like the training: none of {len(FEATURE_NAMES) + 1} features and scores"
    assert said in page()
    assert said in metadata(on)["verdict"].value
    assert metadata(on)["measures"].value.count("\n") == len(FEATURE_NAMES) + 2
    assert metadata(on)["plots"].value.count("data:image/png") == page().count("<img") == 1


def test_a_shift_is_named_in_the_check_on_the_page_and_in_the_metadata(
    live: Path, tables: Lake, on: dg.DagsterInstance
) -> None:
    move(tables, amount=pl.col("amount") * 10, device_new=pl.lit(None, pl.Float64))
    (warning,) = make(["drift_report"], LAST, LAST, on).warnings
    assert "drift_report unmoved" in warning
    found = report()
    assert found.drifted is not None
    assert {"amount", "device_new"} <= {one.name for one in found.drifted.found}
    assert "amount" in metadata(on)["drifted"].value
    assert set(metadata(on)["findings"].value) == set(found.findings)
    (device,) = [text for text in found.findings if text.startswith("device_new")]
    assert "device_new: missing in 100 % of payments" in device
    assert device in warning
    assert device.partition(": ")[2] in page()
    assert "http" not in page()
    assert "<script" not in page()
    before = page()
    make(["drift_report"], LAST, LAST, on)
    assert page() == before


def test_the_scores_are_those_of_the_log_where_the_live_model_gave_enough(
    live: Path, tables: Lake
) -> None:
    sha256 = read_bundle(live)[0].sha256[MODEL]

    def log(count: int, **said: Any) -> None:
        decisions: list[Decision] = []
        for i in range(count):
            own = {"decision_id": f"d{i}", "user_id": f"u{i}", "fraud_probability": 0.97}
            decisions.append(a_decision(**(own | said)))
        landed = pl.DataFrame(
            {"event_date": [LAST] * count, "raw": encode_decisions(decisions).splitlines()}
        )
        tables.replace_days(PREDICTION_LOG, LAST, END, prediction_rows(landed))

    for said in ({"model_sha256": "another"}, {"model_sha256": sha256, "degraded": True}):
        log(150, **said)
        make(["drift_report"], LAST, LAST)
        assert report().scores == NOT_LOGGED
        assert report().findings == []
    log(150, model_sha256=sha256)
    make(["drift_report"], LAST, LAST)
    assert report().scores == LOGGED
    assert any(text.startswith("score: ") for text in report().findings)


@pytest.mark.usefixtures("tables")
def test_without_a_live_model_the_report_says_so(on: dg.DagsterInstance) -> None:
    (warning,) = make(["drift_report"], LAST, LAST, on).warnings
    assert "no model is live yet" in warning
    assert report().unjudged == "no model is live yet"
    assert f"{LAST} was not judged: no model is live yet." in page()


def test_a_model_without_a_reference_is_told_with_the_mend(tables: Lake, deploy: Deploy) -> None:
    deploy(load_settings())
    (warning,) = make(["drift_report"], LAST, LAST).warnings
    said = "the live model v1 of 2024-02-29 carries no reference of its training; train and deploy"
    assert said in warning
    assert said in page()


def test_a_damaged_model_is_told(live: Path) -> None:
    (live / MANIFEST).write_text("{}")
    (warning,) = make(["drift_report"], LAST, LAST).warnings
    assert "the live model can't be read" in warning


def test_a_day_without_rows_is_told(live: Path, tables: Lake) -> None:
    none = tables.read(TRANSACTION_FEATURES, LAST, END).clear()
    tables.replace_days(TRANSACTION_FEATURES, LAST, END, none)
    (warning,) = make(["drift_report"], LAST, LAST).warnings
    assert "the day has no rows" in warning
    assert report().drifted is None
