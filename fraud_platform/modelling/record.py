"""What a training run leaves for the report and the deployment: everything but the model."""

from typing import Any

import msgspec

from fraud_platform.modelling.split import Split
from fraud_platform.modelling.threshold import Threshold

TRAINING = "training.json"
EVALUATION = "evaluation.json"


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a model came about.

    `partition` is its day (YYYY-MM-DD), `created_at` when it was trained (RFC 3339),
    `table_versions` the Delta versions that it read, `reference` the histograms of what it was
    fitted on.
    """

    partition: str
    created_at: str
    features: list[str]
    split: Split
    threshold: Threshold
    table_versions: dict[str, int]
    reference: dict[str, Any]


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on its test days; `metrics` by name as in `evaluate.Metrics.as_dict`."""

    partition: str
    model_version: str
    metrics: dict[str, float]
