"""`predictflow models`: what there is, and how a person changes what is live."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.modelling.shadow import point_shadow_at, shadow_path
from fraud_platform.registry import CHAMPION, MODEL_NAME, Registered, Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.modelling.generated import DAY
from fraud_platform_tests.registered import register

pytestmark = pytest.mark.usefixtures("tables")
Command = Callable[..., Result]
Document = Callable[..., dict[str, Any]]


def live_version() -> str | None:
    """The version whose bundle is live, which the alias has to carry too."""
    settings = load_settings()
    bundle = champion_path(settings.bundles_dir)
    champion = Registry(settings).champion()
    if bundle is None:
        assert champion is None
        return None
    manifest, _ = read_bundle(bundle)
    assert champion is not None
    assert champion.version == manifest.model_version
    return manifest.model_version


@pytest.fixture
def first(tracking: Path, models: dict[str, Path], command: Command) -> Registered:
    """A model that is live."""
    registered = register(models["1"], 0.41, day=DAY - timedelta(days=1))
    done = command("models", "promote", registered.version, "--why", "the first")
    assert done.exit_code == 0, done.output
    return registered


def test_without_models_each_command_says_so(command: Command, data_dir: Path) -> None:
    assert "No model was trained yet" in command("models", "list").output
    assert "Nothing was promoted yet" in command("models", "history").output
    done = command("models", "rollback")
    assert done.exit_code == 1
    assert "there is nothing to roll back: no model is live" in done.output
    assert not (data_dir / "mlflow.db").exists()


def test_a_better_model_is_promoted_then_rolled_back_and_both_are_entries(
    models: dict[str, Path],
    first: Registered,
    command: Command,
    document: Document,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREDICTFLOW_OPERATOR", "ann")
    better = register(models["2"], 0.44, against=first)
    done = command("models", "promote", f"v{better.version}", "--why", "better on new shops")
    assert done.exit_code == 0, done.output
    assert f"v2 of {DAY} is live instead of v1 (promotion 2, by ann)" in done.output
    assert live_version() == "2"
    done = command("models", "rollback", "--why", "alarms all night")
    assert "v1 of 2026-03-30 is live again instead of v2 (promotion 3, by ann)" in done.output
    assert live_version() == "1"
    history = document("models", "history")["history"]
    told = [
        (one["action"], one["model_version"], one["from_version"], one["why"]) for one in history
    ]
    assert told == [
        ("promote", "1", None, "the first"),
        ("promote", "2", "1", "better on new shops"),
        ("rollback", "1", "2", "alarms all night"),
    ]
    assert [one["who"] for one in history[1:]] == ["ann", "ann"]
    assert [one["gate"] for one in history] == ["passed", "passed", ""]
    shown = command("models", "history").output
    assert "alarms all night" in shown
    states = {one["version"]: one["state"] for one in document("models", "list")["models"]}
    assert states == {"1": "live", "2": "former"}


def test_a_worse_model_is_refused_with_its_reason_and_goes_live_only_by_force(
    models: dict[str, Path], first: Registered, command: Command, document: Document
) -> None:
    worse = register(models["2"], 0.4, against=first)
    promote = ("models", "promote", worse.version, "--why", "I know better")
    done = command(*promote)
    assert done.exit_code == 1
    assert (
        "fraud_detector v2 was not promoted: its average precision 0.4000 on 3 test days is not "
        "above the champion v1's 0.4100. To promote it all the same, give --force"
    ) in done.output
    assert live_version() == "1"
    assert document("models", "list")["models"][0]["state"] == "refused"
    assert "FAIL" in command("models", "show", worse.version).output

    entry = document(*promote, "--force")
    assert entry["forced"]
    assert entry["gate"].startswith("fraud_detector v2 was not promoted: its average precision")
    assert live_version() == "2"
    assert "promote (forced)" in command("models", "history").output


def test_a_model_that_no_service_takes_is_not_promoted_by_force(
    models: dict[str, Path], first: Registered, command: Command
) -> None:
    other = register(models["2"], 0.6, against=first, features=[*FEATURE_NAMES, "gone"])
    done = command("models", "promote", other.version, "--why", "new", "--force")
    assert done.exit_code == 1
    assert "this version's catalogue knows no gone: train it again" in done.output
    assert "--force doesn't help" in done.output
    assert live_version() == "1"


def test_an_older_model_needs_to_be_asked_for(
    models: dict[str, Path], first: Registered, command: Command
) -> None:
    older = register(models["2"], 0.44, day=DAY - timedelta(days=2), against=first)
    promote = ("models", "promote", older.version, "--why", "it was fine")
    done = command(*promote)
    assert done.exit_code == 1
    assert "v1 of 2026-03-30, a later day, is live" in done.output
    assert live_version() == "1"
    assert command(*promote, "--even-if-older").exit_code == 0
    assert live_version() == "2"


def test_a_promotion_takes_the_challenger_out_of_the_shadow(
    models: dict[str, Path], first: Registered, command: Command, document: Document
) -> None:
    root = load_settings().bundles_dir
    live = champion_path(root)
    assert live is not None
    better = register(models["2"], 0.44, against=first)
    point_shadow_at(root, live)
    assert shadow_path(root) == live
    assert command("models", "promote", better.version, "--why", "better").exit_code == 0
    assert shadow_path(root) is None


def test_an_alias_that_a_crash_left_behind_is_mended_by_whoever_comes_next(
    models: dict[str, Path], first: Registered, command: Command
) -> None:
    better = register(models["2"], 0.44, against=first)
    assert command("models", "promote", better.version, "--why", "better").exit_code == 0
    client = Registry(load_settings()).client()
    client.set_registered_model_alias(MODEL_NAME, CHAMPION, "1")
    assert command("models", "list").exit_code == 0
    assert live_version() == "2"
    client.delete_registered_model_alias(MODEL_NAME, CHAMPION)
    assert command("models", "history").exit_code == 0
    assert live_version() == "2"


def test_a_live_model_that_the_registry_does_not_know_leaves_the_alias_alone(
    models: dict[str, Path],
    first: Registered,
    data_dir: Path,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A registry that was lost and begun anew, so that another model has the live one's number.
    shutil.copytree(data_dir / "bundles", tmp_path / "other" / "bundles")
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "other"))
    assert register(models["2"], 0.44).version == first.version
    done = command("models", "list", "--json")
    assert done.exit_code == 0
    assert [one["state"] for one in json.loads(done.stdout)["models"]] == ["candidate"]
    assert Registry(load_settings()).champion() is None


def test_a_tampered_model_file_is_not_promoted(
    models: dict[str, Path], first: Registered, command: Command, data_dir: Path
) -> None:
    better = register(models["2"], 0.44, against=first)
    for path in (data_dir / "mlartifacts").rglob("model.ubj"):
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    done = command("models", "promote", better.version, "--why", "better", "--force")
    assert done.exit_code == 1
    assert "is not the one that was trained" in done.output
    assert live_version() == "1"


def test_the_live_model_is_not_judged_again(first: Registered, command: Command) -> None:
    done = command("models", "promote", first.version, "--why", "once more", "--force")
    assert done.exit_code == 1
    assert "the model of v1 is live already, as v1" in done.output
    verdict = Registry(load_settings()).verdict(first)
    assert verdict is not None
    assert verdict.passed


def test_show_has_the_record_the_metrics_the_gate_and_the_history(
    first: Registered, command: Command, document: Document
) -> None:
    found = document("models", "show", first.version)
    assert found["model"]["sha256"] == first.sha256
    assert found["training"]["features"] == list(FEATURE_NAMES)
    assert found["evaluation"]["metrics"]["average_precision"] == 0.41
    assert all(one["passed"] for one in found["gate"]["conditions"])
    assert [one["model_version"] for one in found["history"]] == ["1"]
    shown = command("models", "show", "v1").output
    for text in ("fraud_detector v1", "threshold", "labels_mature", "the first"):
        assert text in shown


def test_compare_puts_two_side_by_side_and_notes_that_their_days_differ(
    models: dict[str, Path], first: Registered, command: Command, document: Document
) -> None:
    register(models["2"], 0.44)
    found = document("models", "compare", "1", "2")
    assert found["metrics"]["average_precision"] == [0.41, 0.44]
    assert not found["same_test_days"]
    shown = command("models", "compare", "1", "2").output
    assert "+0.0300" in shown
    assert "The test days differ (2026-03-21 to 2026-03-23 and 2026-03-22 to" in shown


@pytest.mark.parametrize("version", ["9", "v9", "seven", "1; drop"])
def test_a_version_that_is_not_there_is_named(
    first: Registered, command: Command, version: str
) -> None:
    done = command("models", "show", version)
    assert done.exit_code == 1
    assert "fraud_detector has no version" in done.output
    assert "models list" in done.output
