"""`fraud_model`: the model that could have been trained at the end of a day."""

from datetime import UTC, datetime

import dagster as dg

from fraud_platform import progress
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.lake.store import versions
from fraud_platform.lake.training_rows import READ, labelled_rows
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.record import TRAINING, TrainingRecord
from fraud_platform.modelling.split import plan_split
from fraud_platform.registry import MODEL_NAME, TABLE_VERSION, Registry
from fraud_platform.settings import load_settings

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
    ],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="model",
    owners=metadata.ML_TEAM,
    kinds={"xgboost", "mlflow"},
)
def fraud_model(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """XGBoost on the window of mature labels that ends with this day, in the MLflow registry.

    Fitted on the first days of the window, its threshold chosen by cost on the days after; the
    window's last days are left to `evaluation_report`. It sees the labels known at the day's end,
    no later ones, so a backfill over past days is a backtest.
    """
    # XGBoost and scikit-learn take seconds to import, which loading the definitions needn't pay.
    from fraud_platform.modelling.fit import fit, parameters  # noqa: PLC0415
    from fraud_platform.modelling.predict import predict  # noqa: PLC0415
    from fraud_platform.modelling.reference import build_reference  # noqa: PLC0415
    from fraud_platform.modelling.scored import with_scores  # noqa: PLC0415
    from fraud_platform.modelling.threshold import tune_threshold  # noqa: PLC0415

    settings, day = platform.settings, last_day(context).date()
    training, costs = settings.training, costs_of(settings.training)
    with checks.explained():
        split = plan_split(day, settings.labels, training)
        read = versions(platform.lake, READ)
        rows = labelled_rows(platform.lake, split.window.start, split.window.end, day, read)
        data = prepare(rows, split, settings.labels, training)
        booster = fit(
            data.fit,
            training,
            progress=lambda done, total: progress.report("train", done, total),
        )
        validation = with_scores(data.validation.rows, predict(booster, data.validation.matrix))
        threshold = tune_threshold(validation, costs)
        record = TrainingRecord(
            partition=day.isoformat(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            features=list(FEATURE_NAMES),
            split=split,
            threshold=threshold,
            table_versions=read,
            reference=build_reference(data.fit.matrix, predict(booster, data.fit.matrix)),
        )
        weight = (~data.fit.is_fraud).sum() / data.fit.is_fraud.sum()
        registered = Registry(settings).register(
            booster,
            record.partition,
            params={**parameters(training, positive_weight=weight), "trees": training.trees},
            metrics={"threshold": threshold.value, "fit_rows": data.fit.rows.height},
            tags={
                "dagster_run_id": context.run.run_id,
                **{f"{TABLE_VERSION}{name}": str(version) for name, version in read.items()},
            },
            documents={TRAINING: record},
        )
    return dg.MaterializeResult(
        metadata={
            "model": f"{MODEL_NAME} v{registered.version}",
            "mlflow_run_id": registered.run_id,
            "sha256": registered.sha256,
            "fit": str(split.fit),
            "validation": str(split.validation),
            "test": str(split.test),
            "fit_rows": data.fit.rows.height,
            "fit_frauds": int(data.fit.is_fraud.sum()),
            "threshold": round(threshold.value, 4),
            "threshold_reason": threshold.reason,
            "table_versions": dg.MetadataValue.json(read),
        }
    )
