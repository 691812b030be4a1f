"""Records of training and evaluation with chosen figures, for the tests of gate and promotion."""

from typing import Any

import msgspec

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.record import EvaluationRecord, Interval, Rival, TrainingRecord
from fraud_platform.modelling.slices import Slice
from fraud_platform.modelling.threshold import Threshold
from fraud_platform_tests.modelling.generated import DAY, TRAINING, split

METRICS = {
    "average_precision": 0.44,
    "auc_roc": 0.9,
    "card_precision_100": 0.3,
    "money_saved": 1250.5,
    "precision": 0.6,
    "recall": 0.5,
    "f1": 0.55,
    "accuracy": 0.96,
    "accuracy_never_fraud": 0.95,
    "brier": 0.03,
    "expected_calibration_error": 0.01,
    "rows": 1000.0,
    "frauds": 50.0,
    "days": 3.0,
    "alerts": 42.0,
}


def trained(**changes: Any) -> TrainingRecord:
    record = TrainingRecord(
        partition=DAY.isoformat(),
        created_at="2026-04-01T02:00:00+00:00",
        features=list(FEATURE_NAMES),
        training=TRAINING,
        split=split(),
        rounds=15,
        calibration=None,
        threshold=Threshold(value=0.4, tuned=True, reason="the least cost", cost=1, cost_never=2),
        table_versions={"transaction_features": 3},
        reference={},
    )
    return msgspec.structs.replace(record, **changes)


def slice_of(value: str, average_precision: float | None, frauds: int = 40) -> Slice:
    return Slice(
        dimension="amount",
        value=value,
        rows=500,
        frauds=frauds,
        alerts=10,
        precision=0.5,
        recall=0.5,
        average_precision=average_precision,
        money_saved=100,
    )


def champion(version: str = "5", average_precision: float = 0.41, **changes: Any) -> Rival:
    rival = Rival(
        name="champion",
        model_version=version,
        metrics=METRICS | {"average_precision": average_precision},
        slices=[slice_of("under 10", 0.3), slice_of("10 to 50", 0.5)],
        gain={"average_precision": Interval(low=-0.01, high=0.07)},
    )
    return msgspec.structs.replace(rival, **changes)


def amount_rule(average_precision: float = 0.2) -> Rival:
    return Rival(name="amount rule", metrics={"average_precision": average_precision}, gain={})


def evaluated(*rivals: Rival, **changes: Any) -> EvaluationRecord:
    record = EvaluationRecord(
        partition=DAY.isoformat(),
        model_version="7",
        sha256="7" * 64,
        metrics=METRICS,
        intervals={},
        slices=[slice_of("under 10", 0.32), slice_of("10 to 50", 0.45)],
        rivals=[amount_rule(), *rivals],
    )
    return msgspec.structs.replace(record, **changes)
