"""What a training run leaves for the report and the deployment: everything but the model."""

from typing import Any

import msgspec

from fraud_platform.modelling.calibration import Calibration
from fraud_platform.modelling.slices import Slice
from fraud_platform.modelling.split import Split
from fraud_platform.modelling.threshold import Threshold
from fraud_platform.propensity import Weighed
from fraud_platform.settings import Training

TRAINING = "training.json"
EVALUATION = "evaluation.json"


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a model came about.

    `partition` is its day (YYYY-MM-DD), `created_at` when it was trained (RFC 3339), `training`
    the settings it was made with, `rounds` the trees that stayed, `table_versions` the Delta
    versions that it read, `reference` the histograms of what it was fitted on. `amount_rule` is
    the threshold of `amount_rule.scored_by_amount` that the same policy chose; None in records of
    before there was one.
    """

    partition: str
    created_at: str
    features: list[str]
    training: Training
    split: Split
    rounds: int
    calibration: Calibration | None
    threshold: Threshold
    table_versions: dict[str, int]
    reference: dict[str, Any]
    amount_rule: Threshold | None = None


class Interval(msgspec.Struct, frozen=True):
    """Where 95 % of the bootstrap's samples lie."""

    low: float
    high: float


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """What another did on the same rows, and how much more the model did.

    `name` is `champion`, `amount rule` or `never fraud`; `metrics` by name as in
    `evaluate.Metrics.as_dict`, without those that the rival has no scores for; `gain` is the
    model's metric minus the rival's, resampled together. Of a champion `sha256` is that of its
    model, and `seen` says which of the test days it was fitted on: of these it knew the answers.
    """

    name: str
    model_version: str | None = None
    sha256: str | None = None
    seen: str | None = None
    metrics: dict[str, float]
    slices: list[Slice] = []
    gain: dict[str, Interval]


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on its test days; `metrics` by name as in `evaluate.Metrics.as_dict`.

    `sha256` is that of the model that was scored. `intervals` are bootstrapped over users, and
    `uncalibrated` holds `brier` and `expected_calibration_error` of the model's scores before
    calibration. `incomparable` says why the live model could not be scored on these rows; it is
    None where it was, or where there is none. `weighed` says what became of the test rows where
    would-be blocks were let pass at random; None where none were.
    """

    partition: str
    model_version: str
    sha256: str
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    slices: list[Slice]
    rivals: list[Rival]
    incomparable: str | None = None
    uncalibrated: dict[str, float] = {}
    weighed: Weighed | None = None
