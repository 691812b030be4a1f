"""What the services of the serving benchmark share: payments, online store, model, requests."""

import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import xgboost

from benchmarks.feature_online import Request, requests
from benchmarks.open_load import ID
from fraud_platform.clock import day_start_us, from_us
from fraud_platform.commands.ingest import ingest
from fraud_platform.commands.materialize import materialize
from fraud_platform.commands.online import rebuild
from fraud_platform.commands.simulate import write
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import compute_vector
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.store import Lake
from fraud_platform.lake.training_rows import labelled_days
from fraud_platform.modelling.bundle import Manifest, write_bundle
from fraud_platform.modelling.calibration import Calibration, fit_calibration
from fraud_platform.modelling.predict import margins
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.online import open_store
from fraud_platform.settings import Labels, Settings, Training, load_settings
from fraud_platform.simulator import SimulatorConfig
from fraud_platform_tests.valkey_server import Valkey

FIRST = date(2026, 3, 1)
TABLES = (
    "raw_transactions,daily_tiles,transaction_habits,transaction_labels,label_tiles,"
    "transaction_features"
)
"""What a backfill of the features makes."""

BY = By(who="benchmark", why="measured")


@dataclass(frozen=True)
class Size:
    """How large the world is."""

    users: int = 100_000
    merchants: int = 5_000
    days: int = 14
    payments_a_day: int = 40_000

    @property
    def end(self) -> date:
        """The first day that has not been."""
        return FIRST + timedelta(days=self.days)


@dataclass(frozen=True)
class World:
    """Everything that is there before the first service starts."""

    folder: Path
    size: Size
    settings: Settings
    environment: dict[str, str]
    """The settings as variables of a process."""
    classifier: Path
    """The champion's trees as scikit-learn's wrapper has them, saved by MLflow; for rivals."""
    booster: Path
    """The same trees as MLflow logs them here: a Booster."""
    calibration: Calibration
    """From the trees' probability to the bundle's, which no rival knows of."""
    bundles: list[Path]
    """The champion first; each has other trees."""
    asked: list[Request]

    @property
    def bodies(self) -> Path:
        """Bodies of `/predict`."""
        return self.folder / "bodies.ndjson"

    @property
    def vectors(self) -> Path:
        """Bodies of MLflow's `/invocations`: the same requests with their features computed."""
        return self.folder / "vectors.ndjson"


def make_world(folder: Path, valkey: Valkey, size: Size, asked: int, models: int = 3) -> World:
    """Lands and makes simulated days, fills the store, trains; the champion is live at the end."""
    environment = {
        "PREDICTFLOW_DATA_DIR": str(folder / "data"),
        "PREDICTFLOW_FIRST_DAY": FIRST.isoformat(),
        "PREDICTFLOW_ONLINE_STORE": "redis",
        "PREDICTFLOW_ONLINE_REDIS_URL": valkey.url,
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    os.environ |= environment
    settings = load_settings()
    simulated = folder / "world.parquet"
    config = SimulatorConfig(
        start=FIRST,
        days=size.days,
        users=size.users,
        merchants=size.merchants,
        transactions_per_day=size.payments_a_day,
    )
    write(config, simulated)
    ingest(settings, [simulated], FieldMap())
    materialize(settings, FIRST, size.end - timedelta(days=1), TABLES)
    rebuild(settings, from_us(day_start_us(size.end)))
    rows, is_fraud = _training_rows(settings, size)
    trained = [_train(rows, is_fraud, seed) for seed in range(models)]
    calibration = fit_calibration(margins(trained[0].get_booster(), rows), is_fraud)
    world = World(
        folder=folder,
        size=size,
        settings=settings,
        environment=environment,
        classifier=_save(folder / "classifier", trained[0]),
        booster=_save(folder / "booster", trained[0].get_booster()),
        calibration=calibration,
        bundles=[
            bundle(settings, str(version), model.get_booster(), calibration, size)
            for version, model in enumerate(trained, 1)
        ],
        asked=requests(settings.lake_dir, size.end, asked),
    )
    promote(settings.bundles_dir, world.bundles[0], BY)
    _write_requests(world)
    return world


def bundle(
    settings: Settings, version: str, booster: xgboost.Booster, calibration: Calibration, size: Size
) -> Path:
    """Writes a bundle of these trees; nothing is promoted."""
    file = settings.data_dir / f"{version}.ubj"
    booster.save_model(file)
    first, last = _fitted(size)
    manifest = Manifest(
        model_name="fraud_detector",
        model_version=version,
        partition=last.isoformat(),
        features=list(FEATURE_NAMES),
        threshold=0.3,
        calibration=calibration,
        training_window=(first.isoformat(), last.isoformat()),
        table_versions={},
        metrics={},
        reference={},
        created_at=f"{size.end.isoformat()}T00:00:00Z",
        run_id="benchmark",
        sha256={},
    )
    return write_bundle(settings.bundles_dir, manifest, file)


_FITTED_ROWS = 50_000
"""How good the trees are doesn't matter here, only how many they are and how deep."""


def _fitted(size: Size) -> tuple[date, date]:
    """First and last of the days whose labels are known."""
    return FIRST, size.end - timedelta(days=Labels().maturity_days + 1)


def _training_rows(settings: Settings, size: Size) -> tuple[np.ndarray, np.ndarray]:
    first, last = _fitted(size)
    days = labelled_days(Lake(settings.lake_dir), first, last + timedelta(days=1), size.end, {})
    frames = [frame for _, frame in days]
    known = pl.concat(frames).drop_nulls("is_fraud")
    rows = known.sample(min(_FITTED_ROWS, known.height), seed=1)
    matrix = rows.select(pl.col(FEATURE_NAMES).cast(pl.Float64).fill_null(float("nan")))
    return np.ascontiguousarray(matrix.to_numpy()), rows["is_fraud"].to_numpy()


def _train(rows: np.ndarray, is_fraud: np.ndarray, seed: int) -> xgboost.XGBClassifier:
    """As many trees, as deep, as a training here makes at most by default."""
    import pandas as pd  # noqa: PLC0415

    training = Training()
    model = xgboost.XGBClassifier(
        n_estimators=training.trees,
        max_depth=training.depth,
        learning_rate=training.learning_rate,
        subsample=training.row_share,
        colsample_bytree=training.feature_share,
        base_score=0.5,
        random_state=seed,
    )
    return model.fit(pd.DataFrame(rows, columns=pd.Index(FEATURE_NAMES)), is_fraud)


def _save(folder: Path, model: xgboost.XGBClassifier | xgboost.Booster) -> Path:
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415
    from mlflow.xgboost import save_model  # noqa: PLC0415

    columns: list[Any] = [ColSpec(DataType.double, name) for name in FEATURE_NAMES]
    signature = ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double)]))
    save_model(
        model,
        str(folder),
        signature=signature,
        model_format="ubj",
        pip_requirements=["xgboost"],
    )
    return folder


def _write_requests(world: World) -> None:
    with open_store(world.settings) as store:
        contexts = store.contexts(
            [user for user, _ in world.asked], [event.merchant_id for _, event in world.asked]
        )
    bodies, vectors = [], []
    for (user, event), context in zip(world.asked, contexts, strict=True):
        bodies.append(
            {
                "transaction_id": ID.decode(),
                "timestamp": from_us(event.timestamp_us).isoformat(),
                "user_id": user,
                "merchant_id": event.merchant_id,
                "device_id": event.device_id,
                "amount": event.amount_cents / 100,
            }
        )
        row: list[Any] = compute_vector(event, context)  # NaN becomes null
        vectors.append({"dataframe_split": {"columns": list(FEATURE_NAMES), "data": [row]}})
    for path, lines in ((world.bodies, bodies), (world.vectors, vectors)):
        path.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
