"""The model registry: MLflow behind the few calls that the platform makes.

Our own thin layer rather than dagster-mlflow's resource, whose end hook leaves a run RUNNING when
the last node is an asset check. MLflow takes seconds to import, so it is imported in the calls.
"""

import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.promotions import live
from fraud_platform.modelling.verdict import GATE, Verdict
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xgboost as xgb
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo

MODEL_NAME = "fraud_detector"
EXPERIMENT = "fraud_detector"
CHAMPION = "champion"
TABLE_VERSION = "delta."
"""What the tags of a training run begin with that name the table versions it read."""
TEST = "test_"
"""What the metrics of a training run begin with that are of its test days."""
REPORT, PLOTS = "report.html", "plots"
"""The artifacts of a training run that are the report and the folder of its plots."""
GATE_TAG = "gate"
"""The tag of a version that says in short what the gate said: `passed` or `refused`."""
_PARTITION, _SHA256 = "partition", "sha256"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registered:
    """A registered model version: its number, its training run, its day, its model's sha256."""

    version: str
    run_id: str
    partition: str
    sha256: str


@dataclass(frozen=True)
class Registry:
    """The tracking server and registry that the settings name."""

    settings: Settings

    def register(
        self,
        booster: "xgb.Booster",
        partition: str,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        documents: Mapping[str, Any],
    ) -> Registered:
        """Logs a training run and registers its model; the run fails as a whole or not at all.

        `documents` become JSON artifacts of the run, by name. The model is kept as UBJ.
        """
        import mlflow  # noqa: PLC0415
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415
        from mlflow.xgboost import log_model  # noqa: PLC0415

        client = self.client()
        signature = ModelSignature(
            inputs=Schema([ColSpec(DataType.double, name) for name in booster.feature_names or []]),
            outputs=Schema([ColSpec(DataType.double)]),
        )
        with mlflow.start_run(
            experiment_id=self._experiment(client), run_name=partition, tags=dict(tags)
        ) as run:
            mlflow.log_params(dict(params))
            mlflow.log_metrics(dict(metrics))
            for name, document in documents.items():
                mlflow.log_text(msgspec.json.encode(document).decode(), name)
            logged = log_model(
                booster,
                name="model",
                signature=signature,
                model_format="ubj",
                # Named, because working them out takes MLflow twenty seconds.
                pip_requirements=["xgboost"],
            )
        version = self._new_version(client, run.info.run_id, logged)
        with self.model_file(version) as path:
            digest = sha256(path.read_bytes()).hexdigest()
        for key, value in ((_PARTITION, partition), (_SHA256, digest)):
            client.set_model_version_tag(MODEL_NAME, version, key, value)
        return Registered(version, run.info.run_id, partition, digest)

    def _new_version(self, client: "MlflowClient", run_id: str, logged: "ModelInfo") -> str:
        """Registers a logged model: log_model's own way announces it on the terminal."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.create_model_version(
            MODEL_NAME, logged.model_uri, run_id, model_id=logged.model_id
        )
        return str(found.version)

    def newest(self, partition: str) -> Registered:
        """The version trained last for a day; raises PredictFlowError where there is none."""
        found = self.client().search_model_versions(
            f"name = '{MODEL_NAME}' and tags.{_PARTITION} = '{partition}'"
        )
        if not found:
            raise PredictFlowError(
                f"no model was trained for {partition}; materialise fraud_model of that day: "
                f"predictflow materialize --from {partition} --to {partition} --select fraud_model"
            )
        return registered_of(max(found, key=lambda one: int(one.version)))

    def champion(self) -> Registered | None:
        """The version that carries the alias `champion`, or None."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            found = self.client().get_model_version_by_alias(MODEL_NAME, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return registered_of(found)

    def follow(self) -> None:
        """Puts the alias `champion` on the version whose bundle is live, which is what counts.

        Whoever changed the live model calls this, and whoever comes after a crash in between. A
        live model that this registry doesn't know leaves the alias where it is.
        """
        root = self.settings.bundles_dir
        entry = live(root) if self.settings.tracking_db.exists() else None
        while entry is not None:
            carries, client = self.champion(), self.client()
            if carries is None or carries.version != entry.model_version:
                try:
                    known = self.version(entry.model_version).sha256 == entry.sha256
                except PredictFlowError:
                    known = False
                if not known:
                    logger.warning(
                        "the live model v%s (sha256 %s) is not in %s; the alias %s stays",
                        *(entry.model_version, entry.sha256[:12], self.settings.mlflow_uri),
                        CHAMPION,
                    )
                    return
                client.set_registered_model_alias(MODEL_NAME, CHAMPION, entry.model_version)
            # Another may have changed the live model meanwhile, and lost its alias to this one.
            found, before = live(root), entry.number
            entry = None if found is None or found.number == before else found

    def version(self, number: str) -> Registered:
        """A version by its number; raises PredictFlowError where there is none."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            return registered_of(self.client().get_model_version(MODEL_NAME, number))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise PredictFlowError(
                f"{MODEL_NAME} has no version {number!r}; `predictflow models list` shows them"
            ) from error

    def keep_verdict(self, registered: Registered, verdict: Verdict, report: bytes) -> None:
        """Stores what the gate said with the report that tells it, and in short at the version."""
        files = {GATE: msgspec.json.encode(verdict), REPORT: report}
        self.add(registered.run_id, metrics={}, files=files)
        said = "passed" if verdict.passed else "refused"
        self.client().set_model_version_tag(MODEL_NAME, registered.version, GATE_TAG, said)

    def verdict(self, registered: Registered) -> Verdict | None:
        """What the gate said of a version last, if it was asked."""
        found = self.client().get_model_version(MODEL_NAME, registered.version)
        return self.document(registered.run_id, GATE, Verdict) if GATE_TAG in found.tags else None

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

    @contextmanager
    def model_file(self, version: str) -> "Iterator[Path]":
        """The version's `model.ubj`, for the length of the block."""
        import mlflow.artifacts  # noqa: PLC0415

        self.client()
        with tempfile.TemporaryDirectory(prefix="predictflow-model-") as folder:
            mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}", dst_path=folder)
            yield Path(folder) / "model.ubj"

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

    def _experiment(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found:
            return found.experiment_id
        location = self.settings.mlflow_artifacts.as_uri()
        return client.create_experiment(EXPERIMENT, artifact_location=location)


def registered_of(found: "ModelVersion") -> Registered:
    return Registered(
        str(found.version),
        found.run_id or "",
        found.tags.get(_PARTITION, ""),
        found.tags.get(_SHA256, ""),
    )
