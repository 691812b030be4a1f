"""A challenger: what the registry has of a trained model, measured, judged and made a bundle."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from fraud_platform.commands.parity import parity
from fraud_platform.contracts.monitoring import GateResult
from fraud_platform.durable import replace_durably
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.counts import days_with_rows
from fraud_platform.lake.store import Lake
from fraud_platform.modelling import promotions
from fraud_platform.modelling.bundle import Manifest, write_bundle
from fraud_platform.modelling.gate import judge
from fraud_platform.modelling.promotion_log import Entry
from fraud_platform.modelling.record import (
    EVALUATION,
    TRAINING,
    EvaluationRecord,
    TrainingRecord,
)
from fraud_platform.modelling.report import PLOTS as TITLES
from fraud_platform.modelling.report import Report, render
from fraud_platform.modelling.verdict import Sample, Verdict
from fraud_platform.registry import MODEL_NAME, Registered, Registry
from fraud_platform.settings import Settings
from fraud_platform.tracking import PLOTS

USERS = 200
"""Users of the newest day whose payments are replayed."""
SCORED = 10_000
"""Transactions of the newest day that are scored."""


class Challenger(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model with the records of its training and of its evaluation."""

    registered: Registered
    training: TrainingRecord
    evaluation: EvaluationRecord


def read_challenger(registry: Registry, registered: Registered) -> Challenger:
    """The version's records; raises PredictFlowError where it was not evaluated yet."""
    training = registry.document(registered.run_id, TRAINING, TrainingRecord)
    evaluation: EvaluationRecord = registry.document(
        registered.run_id, EVALUATION, EvaluationRecord
    )
    if evaluation.model_version != registered.version:
        raise PredictFlowError(
            f"the report of run {registered.run_id} is of v{evaluation.model_version}, not of "
            f"v{registered.version}"
        )
    return Challenger(registered=registered, training=training, evaluation=evaluation)


def is_intact(registered: Registered, model: Path) -> bool:
    """Whether a model's file has the sha256 that training recorded."""
    return sha256(model.read_bytes()).hexdigest() == registered.sha256


def verdict_on(settings: Settings, one: Challenger, model: Path, live: Entry | None) -> Verdict:
    """What the gate says of a challenger, whose file is `model`, as things are now."""
    return Verdict(
        model_name=MODEL_NAME,
        model_version=one.registered.version,
        live_version=live.model_version if live else None,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        conditions=judge(
            one.evaluation,
            one.training,
            settings.gate,
            settings.labels,
            live=live,
            sample=measure(settings, one.training, model),
            features=FEATURE_NAMES,
            rolled_back=promotions.rolled_back(settings.bundles_dir, one.registered.sha256),
        ),
    )


def keep_verdict(registry: Registry, one: Challenger, verdict: Verdict) -> None:
    """Stores what the gate said beside the report, in the report's page, and as the last word."""
    found = registry.files(one.registered.run_id, PLOTS)
    page = render(
        Report(
            model_name=MODEL_NAME,
            training=one.training,
            evaluation=one.evaluation,
            plots={name: found[png] for name in TITLES if (png := f"{name}.png") in found},
            gate=verdict.conditions,
        )
    )
    registry.keep_verdict(one.registered, verdict, page.encode())
    said = GateResult(
        partition=one.registered.partition,
        model_version=verdict.model_version,
        at=verdict.at,
        passed=verdict.passed,
        conditions={condition.name: condition.passed for condition in verdict.conditions},
        refusal=verdict.refusal,
    )
    replace_durably(registry.settings.gate_file, msgspec.json.encode(said))


def measure(settings: Settings, training: TrainingRecord, model: Path) -> Sample:
    """Replays and scores some of the newest day that has features.

    It is measured anew for each challenger, on a store of its own: what an earlier check found, it
    found with the code and the features of then.
    """
    lake = Lake(settings.lake_dir)
    days = days_with_rows(lake, TRANSACTION_FEATURES)
    if not days:
        return Sample(day="", vectors=0, differing=0, scored=0, improbable=0)
    day, vectors, differing, fault = days[-1], 0, 0, ""
    if settings.gate.parity:
        try:
            found = parity(settings, day, sample=USERS)
        except PredictFlowError as error:
            fault = str(error)
        else:
            vectors, differing = found.vectors, found.differing
    scores = _scores(lake, day, training, model)
    return Sample(
        day=day.isoformat(),
        vectors=vectors,
        differing=differing,
        scored=scores.size,
        improbable=int(np.count_nonzero(~((scores >= 0) & (scores <= 1)))),  # NaN is neither
        fault=fault,
    )


def bundle_of(settings: Settings, one: Challenger, model: Path) -> Path:
    """The challenger's bundle, written if it wasn't there; it doesn't go live by that."""
    registered, training = one.registered, one.training
    manifest = Manifest(
        model_name=MODEL_NAME,
        model_version=registered.version,
        partition=training.partition,
        features=training.features,
        threshold=training.threshold.value,
        calibration=training.calibration,
        training_window=(training.split.fit.start.isoformat(), training.split.fit.last.isoformat()),
        table_versions=training.table_versions,
        metrics=one.evaluation.metrics,
        reference=training.reference,
        created_at=training.created_at,
        run_id=registered.run_id,
        sha256={},
    )
    return write_bundle(settings.bundles_dir, manifest, model)


def _scores(lake: Lake, day: date, training: TrainingRecord, model: Path) -> np.ndarray:
    """Probabilities of some of a day's transactions; of none where their features aren't the
    model's."""
    # XGBoost takes a second to import.
    from fraud_platform.modelling.dataset import matrix_of  # noqa: PLC0415
    from fraud_platform.modelling.predict import load_booster, predict  # noqa: PLC0415

    features = training.features
    if not set(features) <= set(TRANSACTION_FEATURES.schema.names):
        return np.empty(0)
    booster = load_booster(model.read_bytes(), features, threads=0)
    found = lake.dataset(TRANSACTION_FEATURES, day, day + timedelta(days=1)).head(
        SCORED, columns=features
    )
    rows = pl.from_arrow(found)
    assert isinstance(rows, pl.DataFrame)
    return predict(booster, matrix_of(rows, features), training.calibration)
