"""Where a model comes from: the source it was trained with, and the run that trained it."""

import subprocess
from pathlib import Path

from fraud_platform.settings import Settings

UNKNOWN = "unknown"


def git_commit(settings: Settings) -> str:
    """The commit as set, else the one of this source tree, with `-dirty` where it was changed.

    `unknown` where there is no git, or the package is installed beside another project's files.
    """
    if settings.git_commit:
        return settings.git_commit
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        # An installed package may lie in the checkout of a project that doesn't know it.
        subprocess.run(  # noqa: S603 - our own command
            [*git, "ls-files", "--error-unmatch", here.name], check=True, capture_output=True
        )
        told = subprocess.run(  # noqa: S603
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return told.stdout.strip()


def training_tags(settings: Settings, dagster_run_id: str) -> dict[str, str]:
    """What MLflow's run says of the source and of Dagster's run, with a link where one is known."""
    tags = {"mlflow.source.git.commit": git_commit(settings), "dagster_run_id": dagster_run_id}
    link = dagster_link(settings, dagster_run_id)
    return tags | ({"dagster_run": link} if link else {})


def dagster_link(settings: Settings, run_id: str) -> str | None:
    """The page of a run of Dagster, where its address is known."""
    url = settings.dagster_url.rstrip("/")
    return f"{url}/runs/{run_id}" if url else None


def mlflow_link(settings: Settings, run_id: str) -> str | None:
    """The page of a run of MLflow, where its address is known."""
    url = settings.mlflow_url.rstrip("/")
    return f"{url}/#/runs/{run_id}" if url else None
