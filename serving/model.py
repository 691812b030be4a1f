"""A model in service: read from a verified bundle, checked, warmed up, scored."""

import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import xgboost

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.modelling import promotion_log
from fraud_platform.modelling.bundle import BundleError, Manifest, read_bundle
from fraud_platform.modelling.predict import ModelError, load_booster, predict
from fraud_platform.modelling.reasons import reasons
from fraud_platform.modelling.row_scorer import RowScorer
from serving.store_fault import NOTHING_KNOWN

_WARM_UP = 20
"""Predictions before the first request: the first few take a hundred times as long as the rest."""


class LiveModel(msgspec.Struct, frozen=True):
    """A model in service: what its bundle says, the trees, and when it was loaded."""

    manifest: Manifest
    booster: xgboost.Booster
    scorer: RowScorer
    loaded_at: datetime
    promoted_at: str | None
    """When it was made the live one, RFC 3339; None where the log of promotions doesn't name it."""


def load_model(bundle: Path) -> LiveModel:
    """The model of a bundle, ready to answer; raises BundleError for one that must not.

    That is one whose bytes are not what its manifest says, that was trained on other features than
    this service computes, or that does not answer with a probability.
    """
    manifest, raw = read_bundle(bundle)
    _check_features(bundle, manifest.features)
    try:
        booster = load_booster(raw, FEATURE_NAMES)
        scorer = RowScorer(booster, manifest.calibration)
    except ModelError as error:
        raise BundleError(f"bundle {bundle}: {error}") from error
    reasons(booster, [math.nan] * len(FEATURE_NAMES), 1)  # the first ones take longer too
    entry = promotion_log.last(bundle.parent)
    model = LiveModel(
        manifest=manifest,
        booster=booster,
        scorer=scorer,
        loaded_at=datetime.now(UTC),
        promoted_at=entry.at if entry is not None and entry.bundle == bundle.name else None,
    )
    _warm_up(bundle, model)
    return model


def score(model: LiveModel, vector: list[float]) -> float:
    """The fraud probability of one feature vector in catalogue order, NaN where missing."""
    return model.scorer(vector)


def scores(model: LiveModel, vectors: np.ndarray | list[list[float]]) -> list[float]:
    """The fraud probabilities of several vectors, each to the bit as `score` has it."""
    return predict(model.booster, np.array(vectors), model.manifest.calibration).tolist()


def _check_features(bundle: Path, features: list[str]) -> None:
    if features == list(FEATURE_NAMES):
        return
    raise BundleError(
        f"bundle {bundle}: the model takes the features {', '.join(features)}; this service "
        f"computes {', '.join(FEATURE_NAMES)}, in this order; train the model again with the "
        "catalogue of this version"
    )


def _warm_up(bundle: Path, model: LiveModel) -> None:
    event = Event(timestamp_us=0, amount_cents=100)
    vector = compute_vector(event, NOTHING_KNOWN)
    probability = [score(model, vector) for _ in range(_WARM_UP)][-1]
    if not (math.isfinite(probability) and 0 <= probability <= 1):
        raise BundleError(
            f"bundle {bundle}: the model answers {probability}, which is not a probability; "
            "train it with the objective binary:logistic"
        )
