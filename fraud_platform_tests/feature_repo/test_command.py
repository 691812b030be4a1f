"""Feast's own command works on the repository, and means the same store as the platform."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feature_repo.store import feature_store
from feature_repo.views import entities, feature_views
from fraud_platform.features.state import PROJECT, VIEWS
from fraud_platform.settings import Settings

CHECKOUT = Path(__file__).parents[2]
REPO = CHECKOUT / "feature_repo"


def test_feast_apply_puts_the_platforms_own_objects_in_place(tmp_path: Path) -> None:
    shutil.copytree(REPO, tmp_path / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PREDICTFLOW_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("feast"), "-c", "feature_repo", "apply"],
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": str(tmp_path) + os.pathsep + str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    settings = Settings(data_dir=tmp_path / ".predictflow")
    store = feature_store(settings)
    ours = feature_views(settings.feast_registry.parent)
    applied = {view.name: view for view in store.list_feature_views()}
    assert set(applied) == {view.name for view in VIEWS}
    for name, view in ours.items():
        assert applied[name].schema == view.schema
        assert not applied[name].ttl
        assert applied[name].batch_source == view.batch_source
    assert {entity.name for entity in store.list_entities()} == set(entities())
    assert settings.online_store.exists()


@pytest.mark.parametrize("file", ["feature_store.yaml", "feature_store.env.yaml"])
def test_the_files_for_the_command_mean_the_store_of_the_settings(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.repo_config import load_repo_config  # noqa: PLC0415

    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path if "env" in file else CHECKOUT / ".predictflow")
    theirs: Any = load_repo_config(REPO, REPO / file)

    assert (REPO / theirs.registry.path).resolve() == settings.feast_registry
    assert (REPO / theirs.online_store.path).resolve() == settings.online_store
    assert (theirs.project, theirs.offline_store.type) == (PROJECT, "duckdb")
    assert theirs.entity_key_serialization_version == 3
