"""Models in the registry with reports of chosen figures, so that no test has to wait for better
ones."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import xgboost as xgb

from fraud_platform.modelling.record import EVALUATION, TRAINING, Rival
from fraud_platform.modelling.split import plan_split
from fraud_platform.registry import Registered, Registry
from fraud_platform.settings import load_settings
from fraud_platform_tests.modelling.generated import DAY, LABELS
from fraud_platform_tests.modelling.generated import TRAINING as SETTINGS
from fraud_platform_tests.modelling.records import METRICS, champion, evaluated, trained


def register(
    model: Path,
    average_precision: float = 0.44,
    *,
    day: date = DAY,
    against: Registered | None = None,
    theirs: float = 0.41,
    **changes: Any,
) -> Registered:
    """Registers a model's file as trained at the end of `day` and reported with this metric.

    `against` is the live model that the report compares it with, of which it found `theirs`;
    `changes` are of the training record.
    """
    booster = xgb.Booster()
    booster.load_model(model)
    registry = Registry(load_settings())
    record = trained(partition=day.isoformat(), split=plan_split(day, LABELS, SETTINGS))
    record = msgspec.structs.replace(record, **changes)
    tags = {"delta.transaction_features": "3"}
    registered = registry.register(
        booster, day.isoformat(), params={}, metrics={}, tags=tags, documents={TRAINING: record}
    )
    report(registered, average_precision, against, theirs)
    return registered


def report(
    registered: Registered,
    average_precision: float,
    against: Registered | None = None,
    theirs: float = 0.41,
) -> None:
    """Writes the report of a registered model, anew if it has one."""
    rivals: list[Rival] = [champion(against.version, theirs)] if against else []
    evaluation = evaluated(
        *rivals,
        partition=registered.partition,
        model_version=registered.version,
        sha256=registered.sha256,
        metrics=METRICS | {"average_precision": average_precision},
    )
    Registry(load_settings()).add(
        registered.run_id,
        metrics={f"test_{name}": value for name, value in evaluation.metrics.items()},
        files={EVALUATION: msgspec.json.encode(evaluation)},
    )
