"""Training runs in MLflow: their metrics, tags and artifacts.

MLflow takes seconds to import, so it is imported in the calls.
"""

import logging
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "fraud_detector"
TABLE_VERSION = "delta."
"""What the tags of a training run begin with that name the table versions it read."""
TEST = "test_"
"""What the metrics of a training run begin with that are of its test days."""
REPORT, PLOTS = "report.html", "plots"
"""The artifacts of a training run that are the report and the folder of its plots."""


@dataclass(frozen=True)
class Tracking:
    """The tracking server that the settings name."""

    settings: Settings

    def document(self, run_id: str, name: str, kind: type) -> Any:
        """A JSON artifact of a run, decoded; raises PredictFlowError where it isn't there."""
        import mlflow.artifacts  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        self.client()
        try:
            text = mlflow.artifacts.load_text(f"runs:/{run_id}/{name}")
        except (MlflowException, OSError) as error:
            raise PredictFlowError(f"run {run_id} has no {name}: {error}") from error
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            raise PredictFlowError(f"{name} of run {run_id} is not readable: {error}") from error

    def files(self, run_id: str, folder: str) -> dict[str, bytes]:
        """The artifact files in a folder of a run, by name; none where there is no such folder."""
        client = self.client()
        found = {}
        with tempfile.TemporaryDirectory(prefix="predictflow-artifacts-") as below:
            for one in client.list_artifacts(run_id, folder):
                path = Path(client.download_artifacts(run_id, one.path, below))
                found[path.name] = path.read_bytes()
        return found

    def add(self, run_id: str, *, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> None:
        """Adds metrics and artifact files to a finished run."""
        from mlflow.entities import Metric  # noqa: PLC0415

        client, now = self.client(), int(time.time() * 1000)
        # Together: one by one they take a transaction each.
        client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in metrics.items()])
        with tempfile.TemporaryDirectory(prefix="predictflow-artifacts-") as folder:
            for name, content in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            client.log_artifacts(run_id, folder)

    def client(self) -> "MlflowClient":
        """MLflow's own client, set up for these settings."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import mlflow  # noqa: PLC0415

        # Set after the import, which sets its own: migrations, and that there is no pip to name.
        for name in ("alembic", "mlflow.store", "mlflow.utils.environment"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self.settings.mlflow_uri)
        return mlflow.MlflowClient()

    def experiment(self, client: "MlflowClient") -> str:
        """The id of the experiment that the runs are in, made where it isn't there."""
        found = client.get_experiment_by_name(EXPERIMENT)
        if found:
            return found.experiment_id
        location = self.settings.mlflow_artifacts.as_uri()
        return client.create_experiment(EXPERIMENT, artifact_location=location)

    def recorded_versions(self) -> dict[str, set[int]]:
        """The Delta versions that training runs read, by table; runs deleted in MLflow are out.

        Nothing is made where MLflow was never used.
        """
        found: dict[str, set[int]] = {}
        if not self.settings.tracking_db.exists():
            return found
        for run in self.runs():
            for tag, value in run.data.tags.items():
                if tag.startswith(TABLE_VERSION):
                    found.setdefault(tag.removeprefix(TABLE_VERSION), set()).add(int(value))
        return found

    def runs(self) -> "Iterator[Run]":
        """All training runs, the newest first."""
        client, token = self.client(), None
        experiment = client.get_experiment_by_name(EXPERIMENT)
        while experiment:
            page = client.search_runs([experiment.experiment_id], page_token=token)
            yield from page
            token = page.token
            if not token:
                break
