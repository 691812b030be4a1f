"""Figures as Prometheus reads them: every value in its place, and none that is gone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fraud_platform.contracts.monitoring import Figures
from fraud_platform.monitoring.figures_file import read_figures, write_figures
from fraud_platform.monitoring.figures_metrics import registry_of
from fraud_platform.settings import QualityFloors, Settings
from fraud_platform_tests.monitoring.watched import FIGURES

SETTINGS = Settings(quality_floors=QualityFloors(recall=0.6, min_frauds=30))


def shown(figures: Figures | None) -> dict[str, float]:
    """Each series with its labels, as the query API would name it."""
    text = generate_latest(registry_of(lambda: figures, SETTINGS)).decode()
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ("fraud_figures_readable", 1),
        ("fraud_figures_timestamp_seconds", at(2026, 3, 9, 4)),
        ("fraud_figures_faults", 1),
        ("fraud_failed_runs", 2),
        ("fraud_alerts_waiting", 1),
        ("fraud_days|made", 2),
        ("fraud_days|running", 0),
        ("fraud_quarantined_events", 7),
        ("fraud_last_made_day_timestamp_seconds", at(2026, 3, 7)),
        ("fraud_table_rows|raw_transactions", 190),
        ("fraud_table_rows|prediction_log", 0),
        ("fraud_table_newest_day_rows|raw_transactions", 100),
        ("fraud_table_newest_day_timestamp_seconds|raw_transactions", at(2026, 3, 7)),
        ("fraud_table_newest_day_timestamp_seconds|prediction_log", None),
        ("feature_distribution_shift|amount", 0.4),
        ("feature_population_stability_index|amount", 0.8),
        ("feature_kolmogorov_smirnov|hour_of_day", 0.005),
        ("feature_missing_difference|hour_of_day", 0),
        ("feature_outside_share|amount", 0.001),
        ("feature_drifted|amount", 1),
        ("feature_drifted|gone", 1),  # it vanished from the table
        ("feature_drifted|hour_of_day", 0),
        ("fraud_drift_judged", 1),
        ("fraud_drift_day_timestamp_seconds", at(2026, 3, 7)),
        ("fraud_model_recall|matured|all", 0.8),
        ("fraud_model_recall|matured|1", 0.7),
        ("fraud_model_recall|matured|2", None),  # its rows don't make one
        ("fraud_model_recall|early|all", 0.6),  # the next day has no labels yet
        ("fraud_model_precision|matured|2", 0.75),
        ("fraud_model_auc|matured|all", 0.97),
        ("fraud_model_average_precision|matured|all", 0.8),
        ("fraud_model_calibration_error|matured|all", 0.002),
        ("fraud_model_money_saved|matured|all", 12_345.67),
        ("fraud_model_money_lost|matured|all", 89.5),
        ("fraud_quality_decisions|matured|all", 1_000),
        ("fraud_quality_degraded|matured|all", 3),
        ("fraud_quality_labelled|matured|all", 900),
        ("fraud_quality_frauds|matured|all", 40),
        ("fraud_quality_alarms|matured|all", 50),
        ("fraud_quality_day_timestamp_seconds|matured", at(2026, 3, 1)),
        ("fraud_quality_day_timestamp_seconds|early", at(2026, 3, 6)),
        ("fraud_quality_floor|recall", 0.6),
        ("fraud_quality_min_frauds", 30),
        ("fraud_quality_below_floor", 1),
        ("fraud_parity_identical_share", 0.99),
        ("fraud_parity_skewed_values|user_tx_count_1h", 9),
        ("fraud_parity_differing_values|amount", 1),
        ("fraud_parity_day_timestamp_seconds", at(2026, 3, 7)),
        ("fraud_champion_info|fraud_detector|2|2026-03-05", 1),
        ("fraud_champion_promoted_timestamp_seconds", at(2026, 3, 6, 2, 30)),
        ("fraud_champion_metric|recall", 0.9),
        ("fraud_gate_passed", 0),
        ("fraud_gate_condition_passed|better", 0),
        ("fraud_gate_condition_passed|schema", 1),
        ("fraud_gate_timestamp_seconds", at(2026, 3, 7, 2, 30)),
    ],
)
def test_a_figure_has_its_series(series: str, value: float | None) -> None:
    assert shown(FIGURES).get(series) == value


def test_a_series_goes_with_what_it_was_of() -> None:
    gone = replace(FIGURES, drift=FIGURES.drift[:1], quality=[], parity=[], model=None, gate=None)
    left = shown(gone)
    assert left["fraud_drift_judged"] == 0
    for prefix in ("feature_", "fraud_model_", "fraud_parity_", "fraud_champion_", "fraud_gate_"):
        assert [name for name in left if name.startswith(prefix)] == []


def test_a_new_platform_has_no_series_of_what_is_not_there() -> None:
    assert set(shown(Figures(at="2026-03-09T04:00:00Z"))) == {
        "fraud_figures_readable",
        "fraud_figures_timestamp_seconds",
        "fraud_figures_faults",
        "fraud_failed_runs",
        "fraud_alerts_waiting",
        "fraud_quality_floor|precision",
        "fraud_quality_floor|recall",
        "fraud_quality_min_frauds",
        "fraud_quality_below_floor",
    }


def test_without_a_file_or_with_a_damaged_one_only_that_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    registry = registry_of(lambda: read_figures(file), SETTINGS)
    readable = []
    for content in (b"", b'{"at": 3}'):
        if content:
            file.write_bytes(content)
        (family,) = registry.collect()
        readable.append(family.samples[0].value)
    write_figures(file, FIGURES)
    assert len(list(registry.collect())) > 30
    assert readable == [0, 0]
