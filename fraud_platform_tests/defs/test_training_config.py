"""What of a training can be set for one run, in the launchpad."""

from datetime import timedelta
from functools import partial
from typing import Any

import dagster as dg
import pytest

from fraud_platform.definitions import defs
from fraud_platform.defs.training_config import TrainingConfig
from fraud_platform.modelling import tune as tuning
from fraud_platform.modelling.record import TRAINING, TrainingRecord
from fraud_platform.registry import Registered, Registry
from fraud_platform.settings import Training, load_settings
from fraud_platform_tests.world import LAST

SIZES = {"window_days": 16, "validation_days": 3, "test_days": 4, "trees": 7, "depth": 2}


def run(config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    job = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("fraud_model")],
            partition_key=LAST.isoformat(),
            run_config={"ops": {"fraud_model": {"config": config}}},
            raise_on_error=False,
        )


def recorded() -> tuple[Registered, TrainingRecord]:
    registry = Registry(load_settings())
    registered = registry.newest(LAST.isoformat())
    return registered, registry.document(registered.run_id, TRAINING, TrainingRecord)


def failure(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    (event,) = [one for one in result.all_events if one.event_type_value == "STEP_FAILURE"]
    told = event.step_failure_data.user_failure_data
    assert told is not None
    return str(told.description)


@pytest.mark.usefixtures("tables")
def test_a_run_trains_with_its_sizes_and_records_them() -> None:
    assert run(SIZES).success
    registered, record = recorded()
    assert {name: getattr(record.training, name) for name in SIZES} == SIZES
    assert record.training.learning_rate == Training().learning_rate
    assert record.rounds <= 7
    assert (record.split.window.days, record.split.test.days) == (16, 4)
    assert record.split.test.last == LAST - timedelta(days=7)
    with Registry(load_settings()).model_file(registered.version) as path:
        assert path.stat().st_size > 0


@pytest.mark.usefixtures("tables")
def test_an_out_of_range_value_is_refused_by_name() -> None:
    told = failure(run(SIZES | {"trees": 0}))
    assert "fraud_model: trees is 0. Expected `int` >= 1; change it in the launchpad" in told
    assert not load_settings().mlflow_artifacts.exists()


@pytest.mark.usefixtures("tables")
def test_sizes_that_leave_nothing_to_fit_on_are_refused() -> None:
    told = failure(run(SIZES | {"window_days": 7}))
    assert "window_days 7 leaves no day to fit on" in told


def test_the_launchpad_shows_the_settings_as_defaults() -> None:
    op = defs().resolve_implicit_global_asset_job_def().graph.node_named("fraud_model").definition
    schema = op.get_config_field().config_type
    assert isinstance(schema, dg.Shape)
    fields = schema.fields
    assert set(fields) == set(TrainingConfig.model_fields)
    for name, field in fields.items():
        assert field.default_value == getattr(load_settings().training, name)
        assert field.description


@pytest.mark.usefixtures("tables")
def test_a_tuned_model_has_the_settings_that_tuning_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna", reason="tuning is an extra")
    found: list[tuning.Tuned] = []
    tune = partial(tuning.tune, trials=4)
    monkeypatch.setattr(tuning, "tune", lambda *a, **k: found.append(tune(*a, **k)) or found[-1])
    result = run(SIZES | {"tune_minutes": 1})
    assert result.success
    _, record = recorded()
    assert record.training == found[0].training
    assert record.training.tune_minutes == 1
    assert (load_settings().data_dir / "tuning.db").exists()
    (made,) = result.asset_materializations_for_node("fraud_model")
    told = made.metadata["tuning"].value
    assert f"4 trials in study {found[0].study}" in str(told)
