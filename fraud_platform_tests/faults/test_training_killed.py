"""Row 15: a training run killed at each step leaves the live model, and is done again as if new."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.registry import Registered, Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.faults.zygote import Zygote
from fraud_platform_tests.registered import register
from fraud_platform_tests.world import LAST, make

BEFORE = LAST - timedelta(days=1)
# What is made, and the calls at which its process is killed, one after the other.
KILLED = {
    "fraud_model": [
        ("fraud_platform.modelling.dataset:check_day", 7),
        ("fraud_platform.modelling.fit:_Report.after_iteration", 5),
        ("mlflow:MlflowClient.create_model_version", 1),
        ("mlflow:MlflowClient.set_model_version_tag", 1),
    ],
    "evaluation_report": [
        ("fraud_platform.modelling.dataset:check_day", 3),
        ("fraud_platform.registry:Registry.add", 1),
    ],
    "deployed_model": [
        ("fraud_platform.registry:Registry.keep_verdict", 1),
        ("fraud_platform.modelling.bundle:_put_in_place", 1),
        ("fraud_platform.modelling.promotions:append", 1),
    ],
}
AFTER_THE_ENTRY = [
    ("fraud_platform.defs.deployed_model:clear_shadow", 1),
    ("mlflow:MlflowClient.set_registered_model_alias", 1),
]


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[Zygote]:
    process = Zygote(tmp_path / "log")
    yield process
    process.stop()


@pytest.fixture
def live(models: dict[str, Path], tracking: Path) -> Registered:
    """A weak model of the day before, which is live."""
    registered = register(models["1"], 0.41, day=BEFORE)
    make(["deployed_model"], BEFORE, BEFORE)
    return registered


def versions() -> list[str]:
    """What was promoted, in order."""
    return [one.model_version for one in entries(load_settings().bundles_dir)]


@pytest.mark.usefixtures("tables", "short_window")
@pytest.mark.timeout(900)
def test_a_training_run_killed_at_each_step_leaves_the_live_model_and_is_done_again(
    live: Registered, zygote: Zygote
) -> None:
    settings = load_settings()
    registry, root = Registry(settings), settings.bundles_dir
    before = champion_path(root)
    day = ("materialize", "--from", LAST, "--to", LAST, "--select")
    for asset, places in KILLED.items():
        for place, call in places:
            killed = zygote.run(*day, asset, killed_at=place, call=call)
            assert killed == -signal.SIGKILL, f"{place}: {zygote.log.read_text()}"
            assert champion_path(root) == before, place
            assert registry.champion() == live, place
        if asset != "deployed_model":
            assert zygote.run(*day, asset) == 0, zygote.log.read_text()
    assert versions() == [live.version]

    trained = registry.newest(LAST.isoformat())
    for place, call in AFTER_THE_ENTRY:
        assert zygote.run(*day, "deployed_model", killed_at=place, call=call) == -signal.SIGKILL
        bundle = champion_path(root)
        assert bundle is not None
        assert read_bundle(bundle)[0].model_version == trained.version
        assert registry.champion() == live
    assert zygote.run(*day, "deployed_model") == 0, zygote.log.read_text()
    assert registry.champion() == trained
    assert versions() == [live.version, trained.version]
    assert zygote.run(*day, "deployed_model") == 0
    assert versions() == [live.version, trained.version]

    # All over again, unharmed: the same bytes, and nothing better than what is live.
    assert zygote.run(*day, "fraud_model,evaluation_report,deployed_model") == 0
    assert registry.newest(LAST.isoformat()).sha256 == trained.sha256
    assert versions() == [live.version, trained.version]
