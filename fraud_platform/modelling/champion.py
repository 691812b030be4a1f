"""The live model as a rival: read from its bundle, so it is judged as it serves."""

from collections.abc import Collection
from datetime import date
from pathlib import Path

import msgspec
import xgboost as xgb

from fraud_platform.modelling.bundle import (
    MODEL,
    BundleError,
    Manifest,
    champion_path,
    read_bundle,
)
from fraud_platform.modelling.dataset import Part
from fraud_platform.modelling.predict import ModelError, load_booster, predict_all
from fraud_platform.modelling.rivals import Contender
from fraud_platform.modelling.scored import EvaluationError, check_scores, with_scores
from fraud_platform.modelling.split import DateRange


class Incomparable(msgspec.Struct, frozen=True):
    """A live model that cannot be scored on these rows, and why not."""

    why: str


class Champion(msgspec.Struct, frozen=True, kw_only=True):
    """The live model, with what its bundle says of it."""

    manifest: Manifest
    booster: xgb.Booster

    def on(self, test: Part) -> Contender | Incomparable:
        """The test rows as it decides on them: its features, its calibration, its threshold."""
        manifest = self.manifest
        chunks = test.chunks(features=manifest.features)
        rows = with_scores(test.rows, predict_all(self.booster, chunks, manifest.calibration))
        try:
            check_scores(rows)
        except EvaluationError as error:
            return Incomparable(f"{_called(manifest)} gives no probabilities here: {error}")
        return Contender(
            rows=rows,
            threshold=manifest.threshold,
            model_version=manifest.model_version,
            sha256=manifest.sha256[MODEL],
            seen=seen(manifest, test.days),
        )


def read_champion(root: Path, features: Collection[str]) -> Champion | Incomparable | None:
    """The live model below `root`, or None where nothing was deployed yet.

    `features` are those that the rows can have. A bundle that is damaged, and a model that takes
    other features, are no reason to leave the new model without a report.
    """
    try:
        path = champion_path(root)
        if path is None:
            return None
        manifest, model = read_bundle(path)
        lacking = [name for name in manifest.features if name not in features]
        if lacking:
            return Incomparable(
                f"{_called(manifest)} takes {', '.join(lacking)}, which transaction_features "
                "doesn't have"
            )
        booster = load_booster(model, manifest.features, threads=0)
    except (BundleError, ModelError) as error:
        return Incomparable(f"the live model can't be read: {error}")
    return Champion(manifest=manifest, booster=booster)


def seen(manifest: Manifest, test: DateRange) -> str | None:
    """The test days among those that a model was fitted on, or None where there are none."""
    first, last = (date.fromisoformat(day) for day in manifest.training_window)
    first, last = max(first, test.start), min(last, test.last)
    if first > last:
        return None
    return str(first) if first == last else f"{first} to {last}"


def _called(manifest: Manifest) -> str:
    return f"the live model v{manifest.model_version} of {manifest.partition}"
