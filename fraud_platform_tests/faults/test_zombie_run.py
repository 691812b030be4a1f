"""Row 16: a run that Dagster gave up finishes late, and cannot promote."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from fraud_platform.commands.dagster_run import instance
from fraud_platform.modelling.bundle import champion_path
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.shadow import shadow_path
from fraud_platform.registry import Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.modelling.generated import DAY
from fraud_platform_tests.registered import register, report
from fraud_platform_tests.serving.parts import eventually
from fraud_platform_tests.serving.process import CHECKOUT
from fraud_platform_tests.world import make

BEFORE = DAY - timedelta(days=1)
# The process stops by itself when everything is judged and written but the promotion.
PROGRAM = """
import os, signal, sys
from fraud_platform.cli import main
from fraud_platform.defs import deployed_model as asset
from fraud_platform.definitions import defs

real = asset.bundle_of

def stopped(*arguments):
    bundle = real(*arguments)
    os.kill(os.getpid(), signal.SIGSTOP)
    return bundle

asset.bundle_of = stopped
main(sys.argv[1:])
"""


def stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state == "T"


@pytest.mark.usefixtures("tables", "tracking")
@pytest.mark.parametrize(
    ("good", "status"), [(True, "FAILURE"), (True, "CANCELED"), (False, "FAILURE")]
)
def test_a_run_that_was_given_up_promotes_nothing_when_it_wakes(
    models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    good: bool,
    status: str,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_GATE_SHADOW", "refused")
    monkeypatch.setenv("DAGSTER_HOME", str(CHECKOUT))  # what `instance` sets goes with the test
    settings = load_settings()
    monkeypatch.setenv("PREDICTFLOW_DAGSTER_DIR", str(settings.dagster_dir))
    live = register(models["1"], 0.41, day=BEFORE)
    make(["deployed_model"], BEFORE, BEFORE)
    before = champion_path(settings.bundles_dir)
    challenger = register(models["2"], 0.5 if good else 0.3, against=live)
    log = tmp_path / "log"
    days = ("--from", str(DAY), "--to", str(DAY), "--select", "deployed_model")
    with log.open("w") as errors:
        zombie = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "materialize", *days],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            stdout=errors,
            stderr=errors,
        )
    try:
        assert eventually(lambda: stopped(zombie.pid), seconds=120), log.read_text()
        with instance(settings) as on:
            (run,) = on.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            if status == "FAILURE":
                on.report_run_failed(run)
            else:
                on.report_run_canceled(run)
        os.kill(zombie.pid, signal.SIGCONT)
        assert zombie.wait(timeout=120) == 1
    finally:
        zombie.kill()
        zombie.wait()
    assert f"run {run.run_id} is {status} in Dagster, so it promotes nothing" in log.read_text()
    assert champion_path(settings.bundles_dir) == before
    assert shadow_path(settings.bundles_dir) is None
    assert Registry(settings).champion() == live
    assert [one.model_version for one in entries(settings.bundles_dir)] == [live.version]

    # Who is asked anew may.
    if not good:
        report(challenger, 0.3, against=live, theirs=0.2)
    make(["deployed_model"], DAY, DAY)
    assert Registry(settings).champion() == challenger
    assert [one.model_version for one in entries(settings.bundles_dir)] == [
        live.version,
        challenger.version,
    ]
