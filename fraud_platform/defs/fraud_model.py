"""`fraud_model`: the model that could have been trained at the end of a day."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from fraud_platform import progress
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.prediction_log import prediction_log
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.training_config import TrainingConfig
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.lake.store import versions
from fraud_platform.lake.training_rows import READ, labelled_days
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.record import TRAINING, TrainingRecord
from fraud_platform.modelling.split import plan_split
from fraud_platform.provenance import training_tags
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.scratch import scratch
from fraud_platform.settings import load_settings
from fraud_platform.tracking import TABLE_VERSION

if TYPE_CHECKING:
    from fraud_platform.modelling.tune import Tuned

REFERENCE_ROWS = 1_000_000
"""Rows, evenly spread over the fit days, that the reference histograms are taken of."""

_settings = load_settings()
_matured = _settings.labels.maturity_days
_reach = _matured + _settings.training.window_days - 1


@dg.asset(
    deps=[
        dg.AssetDep(
            transaction_features,
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-_reach,
                end_offset=-_matured,
                allow_nonexistent_upstream_partitions=True,
            ),
        ),
        dg.AssetDep(
            transaction_labels,
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-_reach, end_offset=0, allow_nonexistent_upstream_partitions=True
            ),
        ),
        dg.AssetDep(
            prediction_log,
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-_reach, end_offset=0, allow_nonexistent_upstream_partitions=True
            ),
        ),
    ],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="model",
    owners=metadata.ML_TEAM,
    kinds={"xgboost", "mlflow"},
)
def fraud_model(
    context: dg.AssetExecutionContext, config: TrainingConfig, platform: Platform
) -> dg.MaterializeResult:
    """XGBoost on the window of mature labels that ends with this day, in the MLflow registry.

    Fitted on the first days of the window; trees counted, scores calibrated and the threshold
    chosen on the days after; the window's last days are left to `evaluation_report`. It sees the
    labels known at the day's end, no later ones, so a backfill over past days is a backtest. Where
    the service let would-be blocks pass at random, those count by the inverse of their propensity,
    and blocked ones, of which nobody knows what they were, are left out.
    """
    # XGBoost and scikit-learn take seconds to import, which loading the definitions needn't pay.
    from fraud_platform.modelling.fit import parameters, positive_weight  # noqa: PLC0415
    from fraud_platform.modelling.predict import predict  # noqa: PLC0415
    from fraud_platform.modelling.reference import build_reference  # noqa: PLC0415
    from fraud_platform.modelling.train import train  # noqa: PLC0415
    from fraud_platform.modelling.tune import tune  # noqa: PLC0415
    from fraud_platform.modelling.wording import let_pass  # noqa: PLC0415

    settings, day = platform.settings, last_day(context).date()
    with checks.explained(), scratch(settings.scratch_dir) as folder:
        training = config.over(settings.training)
        split = plan_split(day, settings.labels, training)
        read = versions(platform.lake, READ)
        data = prepare(
            progress.each(
                "read",
                labelled_days(platform.lake, split.window.start, split.window.end, day, read),
                split.window.days,
            ),
            split,
            settings.labels,
            training,
            folder,
        )
        tuned = None
        if training.tune_minutes:
            report = partial(progress.report, "tune")
            tuned = tune(data, training, settings.tuning_db, day, progress=report)
            training = tuned.training
        trained = train(data, training, progress=partial(progress.report, "train"))
        sample = data.fit.sample(REFERENCE_ROWS)
        record = TrainingRecord(
            partition=day.isoformat(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            features=list(FEATURE_NAMES),
            training=training,
            split=split,
            rounds=trained.booster.num_boosted_rounds(),
            calibration=trained.calibration,
            threshold=trained.threshold,
            amount_rule=trained.amount_rule,
            table_versions=read,
            reference=build_reference(
                sample, predict(trained.booster, sample, trained.calibration)
            ),
        )
        weight = positive_weight(data.fit, training)
        registered = Registry(settings).register(
            trained.booster,
            record.partition,
            params={
                **parameters(training, FEATURE_NAMES, positive_weight=weight),
                **msgspec.to_builtins(training),
            },
            metrics={
                "threshold": trained.threshold.value,
                "fit_rows": data.fit.rows.height,
                "fit_frauds": int(data.fit.is_fraud.sum()),
                "rounds": record.rounds,
                **(
                    {"tune_trials": tuned.trials, "tune_gain": tuned.best - tuned.given}
                    if tuned
                    else {}
                ),
            },
            tags={
                **training_tags(settings, context.run.run_id),
                **{f"{TABLE_VERSION}{name}": str(version) for name, version in read.items()},
            },
            documents={TRAINING: record},
        )
    return dg.MaterializeResult(
        metadata={
            "model": f"{MODEL_NAME} v{registered.version}",
            **metadata.mlflow_run(settings, registered.run_id),
            "sha256": registered.sha256,
            "fit": str(split.fit),
            "validation": str(split.validation),
            "test": str(split.test),
            "fit_rows": data.fit.rows.height,
            "fit_frauds": int(data.fit.is_fraud.sum()),
            **({"let_pass": let_pass(data.fit.weighed)} if data.fit.weighed else {}),
            "trees": record.rounds * training.parallel_trees,
            "tuning": _told(tuned),
            "threshold": round(trained.threshold.value, 4),
            "threshold_reason": trained.threshold.reason,
            "table_versions": dg.MetadataValue.json(read),
        }
    )


def _told(tuned: "Tuned | None") -> str:
    if tuned is None:
        return "off"
    return (
        f"{tuned.trials} trials in study {tuned.study}; average precision on the validation rows "
        f"{tuned.given:.4f} as set, {tuned.best:.4f} at best"
    )
