"""A logged decision computed again, by the very model that made it."""

import math
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xgboost as xgb

from fraud_platform.contracts.decisions import Decision
from fraud_platform.let_pass import LetPass, share_of
from fraud_platform.modelling.bundle import BundleError, Manifest, made_by
from fraud_platform.modelling.predict import load_booster, predict
from fraud_platform.modelling.reasons import contributions, strongest


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a decision as it was logged and as it is computed now; floats by their bits."""

    name: str
    logged: Any
    recomputed: Any
    unknown: str = ""
    """Why it can't be computed now; empty where it was."""

    @property
    def same(self) -> bool | None:
        """Whether they are the same to the bit; None where it can't be computed now."""
        return None if self.unknown else same_bits(self.logged, self.recomputed)


def replay(bundles: Path, decision: Decision, pass_key: bytes = b"") -> list[Compared]:
    """The decision's parts computed from its logged vector, by the bundle that it names.

    `pass_key` is the key of the draws (serving.pass_key): without it an action that was drawn can't
    be computed. Raises BundleError where that bundle is gone or damaged, or takes another number of
    features.
    """
    manifest, raw = model_of(bundles, decision)
    if len(manifest.features) != len(decision.features):
        raise BundleError(
            f"decision {decision.decision_id} has {len(decision.features)} features, its model "
            f"{manifest.model_version} takes {len(manifest.features)}: the row was changed"
        )
    booster = load_booster(raw, manifest.features)
    vector = [math.nan if value is None else value for value in decision.features]
    probability = float(predict(booster, np.array([vector]), manifest.calibration)[0])
    made = {
        "threshold": manifest.threshold,
        "fraud_probability": probability,
        "is_fraud": probability > manifest.threshold,
        "confidence": abs(probability - 0.5) * 2,
    }
    found = [
        Compared(name=name, logged=getattr(decision, name), recomputed=value)
        for name, value in made.items()
    ]
    action = _action(decision, pass_key, is_fraud=made["is_fraud"])
    return [*found, *action, *_reasons(manifest, booster, vector, decision)]


def model_of(bundles: Path, decision: Decision) -> tuple[Manifest, bytes]:
    """The verified manifest and model bytes that a decision was made by; raises BundleError."""
    try:
        return made_by(bundles, decision.model_version, decision.model_sha256)
    except BundleError as error:
        raise BundleError(f"decision {decision.decision_id} was made by {error}") from error


def same_bits(one: Any, other: Any) -> bool:
    """Equality that tells -0.0 from 0.0, and holds for NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return type(one) is type(other) and one == other


def _action(decision: Decision, key: bytes, *, is_fraud: bool) -> list[Compared]:
    share = share_of(decision.action, decision.propensity)
    taken = LetPass(share, decision.pass_limit_cents, key).taken(
        is_fraud=is_fraud,
        transaction_id=decision.transaction_id,
        amount_cents=decision.amount_cents,
    )
    unknown = "" if key or taken.propensity == 1 else "it was drawn and serving.pass_key isn't set"
    return [
        Compared(name=name, logged=logged, recomputed=made, unknown=unknown)
        for name, logged, made in (
            ("action", decision.action, None if unknown else taken.action),
            ("propensity", decision.propensity, None if unknown else taken.propensity),
        )
    ]


def _reasons(
    manifest: Manifest, booster: xgb.Booster, vector: list[float], decision: Decision
) -> list[Compared]:
    if decision.reasons is None:
        return []
    moved_by = contributions(booster, np.array([vector]))[0]
    found = strongest(moved_by, len(decision.reasons))
    names = [manifest.features[place] for place, _ in found]
    return [
        Compared(
            name="reasons",
            logged=[one.feature for one in decision.reasons],
            recomputed=names,
        ),
        *(
            Compared(
                name=f"contribution of {one.feature}", logged=one.contribution, recomputed=moved
            )
            for one, (_, moved) in zip(decision.reasons, found, strict=False)
        ),
    ]
