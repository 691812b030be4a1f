"""The model registry: MLflow behind the few calls that the platform makes.

Our own thin layer rather than dagster-mlflow's resource, whose end hook leaves a run RUNNING when
the last node is an asset check. MLflow takes seconds to import, so it is imported in the calls.
"""

import logging
import tempfile
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
from fraud_platform.tracking import REPORT, Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xgboost as xgb
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo

MODEL_NAME = "fraud_detector"
CHAMPION = "champion"
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


class Registry(Tracking):
    """The model registry beside the training runs."""

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
            experiment_id=self.experiment(client), run_name=partition, tags=dict(tags)
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

    @contextmanager
    def model_file(self, version: str) -> "Iterator[Path]":
        """The version's `model.ubj`, for the length of the block."""
        import mlflow.artifacts  # noqa: PLC0415

        self.client()
        with tempfile.TemporaryDirectory(prefix="predictflow-model-") as folder:
            mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}", dst_path=folder)
            yield Path(folder) / "model.ubj"


def registered_of(found: "ModelVersion") -> Registered:
    return Registered(
        str(found.version),
        found.run_id or "",
        found.tags.get(_PARTITION, ""),
        found.tags.get(_SHA256, ""),
    )
