"""The sensor `platform_figures`: it writes the file anew at each tick and asks for nothing."""

from pathlib import Path

import dagster as dg
import pytest

from fraud_platform.definitions import defs
from fraud_platform.monitoring.figures_file import read_figures
from fraud_platform.settings import load_settings
from fraud_platform_tests.statsd import StatsdAgent


def test_each_tick_writes_the_figures_and_a_damaged_file_stops_none(data_dir: Path) -> None:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - Dagster's beta warnings

    repository, file = defs().get_repository_def(), load_settings().figures_file
    seen = []
    with dg.DagsterInstance.ephemeral() as instance:
        for damaged in (False, True, False):
            gate = load_settings().gate_file
            gate.parent.mkdir(parents=True, exist_ok=True)
            gate.write_text("{") if damaged else gate.unlink(missing_ok=True)
            with dg.build_sensor_context(
                instance, repository_def=repository, resources={"platform": Platform()}
            ) as context:
                done = repository.get_sensor_def("platform_figures").evaluate_tick(context)
            assert (done.run_requests, done.cursor) == ([], None)
            assert (done.skip_message or "").startswith(f"{file} written in ")
            figures = read_figures(file)
            assert figures is not None
            seen.append(figures)
    assert [len(one.faults) for one in seen] == [0, 1, 0]
    assert seen[0].at <= seen[1].at <= seen[2].at


def test_each_tick_tells_datadogs_agent_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraud_platform.defs.resources import Platform  # noqa: PLC0415 - Dagster's beta warnings

    repository = defs().get_repository_def()
    with StatsdAgent() as agent, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("PREDICTFLOW_DATADOG_HOST", "127.0.0.1")
        monkeypatch.setenv("PREDICTFLOW_DATADOG_PORT", str(agent.port))
        with dg.build_sensor_context(
            instance, repository_def=repository, resources={"platform": Platform()}
        ) as context:
            repository.get_sensor_def("platform_figures").evaluate_tick(context)
        got = {one.name: one.values for one in agent.received(4)}
    assert got["predictflow.fraud_failed_runs"] == (0,)
    assert 0 <= got["predictflow.fraud_figures_age_seconds"][0] < 300
