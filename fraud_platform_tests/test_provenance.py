"""Where a model comes from: its commit, and the links between MLflow and Dagster."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_platform import provenance
from fraud_platform.provenance import git_commit, mlflow_link, training_tags
from fraud_platform.settings import Settings, load_settings

SOURCE = Path(provenance.__file__)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_told_by(source: Path) -> str:
    """What the module says of itself where it lies."""
    code = (
        "import sys, importlib.util as u\n"
        f"spec = u.spec_from_file_location('here', {str(source)!r})\n"
        "here = u.module_from_spec(spec); spec.loader.exec_module(here)\n"
        "from fraud_platform.settings import Settings\n"
        "print(here.git_commit(Settings()))"
    )
    root = str(SOURCE.parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    shutil.copy(SOURCE, folder)
    return folder


def test_the_commit_is_the_one_of_the_source_and_says_when_it_was_changed(checkout: Path) -> None:
    source = checkout / SOURCE.name
    assert commit_told_by(source) == "unknown"  # a checkout that doesn't know the file
    git(checkout, "add", SOURCE.name)
    git(checkout, "commit", "-qm", "one")
    git(checkout, "tag", "-a", "v1", "-m", "a tag is no commit")
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_told_by(source) == head
    source.write_text(source.read_text() + "# changed\n")
    assert commit_told_by(source) == f"{head}-dirty"


def test_outside_a_checkout_it_is_unknown_or_as_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_told_by(Path(shutil.copy(SOURCE, tmp_path))) == "unknown"
    monkeypatch.setenv("PREDICTFLOW_GIT_COMMIT", "4f2a")
    assert git_commit(load_settings()) == "4f2a"
    monkeypatch.delenv("PREDICTFLOW_GIT_COMMIT")
    monkeypatch.setenv("PATH", str(tmp_path))  # without a git
    assert git_commit(load_settings()) == "unknown"


def test_a_training_run_links_to_dagster_and_back_where_the_addresses_are_set() -> None:
    bare = training_tags(Settings(git_commit="4f2a"), "r-1")
    assert bare == {"mlflow.source.git.commit": "4f2a", "dagster_run_id": "r-1"}
    settings = Settings(
        git_commit="4f2a", dagster_url="http://dagster:3000/", mlflow_url="http://mlflow:5000"
    )
    assert training_tags(settings, "r-1")["dagster_run"] == "http://dagster:3000/runs/r-1"
    assert mlflow_link(settings, "m-1") == "http://mlflow:5000/#/runs/m-1"
    assert mlflow_link(Settings(), "m-1") is None
