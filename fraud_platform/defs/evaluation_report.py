"""`evaluation_report`: how the day's model does on days that nothing was chosen on."""

import base64

import dagster as dg
import msgspec

from fraud_platform.defs import checks, metadata
from fraud_platform.defs.fraud_model import fraud_model
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.resources import Platform
from fraud_platform.lake.training_rows import labelled_days
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.dataset import prepare
from fraud_platform.modelling.record import (
    EVALUATION,
    TRAINING,
    EvaluationRecord,
    TrainingRecord,
)
from fraud_platform.registry import MODEL_NAME, Registry
from fraud_platform.scratch import scratch


@dg.asset(
    deps=[fraud_model],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="model",
    owners=metadata.ML_TEAM,
    kinds={"scikitlearn", "mlflow"},
)
def evaluation_report(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """Metrics, slices and plots of the day's model on the last days of its window.

    Reads the table versions that training recorded, so both speak of the same rows. The report is
    one HTML page in MLflow; the plots are in the metadata here as well.
    """
    from fraud_platform.modelling.evaluate import evaluate  # noqa: PLC0415 - scikit-learn
    from fraud_platform.modelling.plots import Caption, plot_all  # noqa: PLC0415 - matplotlib
    from fraud_platform.modelling.predict import load_booster, predict_all  # noqa: PLC0415
    from fraud_platform.modelling.report import Report, render  # noqa: PLC0415
    from fraud_platform.modelling.scored import with_scores  # noqa: PLC0415
    from fraud_platform.modelling.slices import by_slice  # noqa: PLC0415

    settings, day = platform.settings, last_day(context).date()
    registry, costs = Registry(settings), costs_of(settings.training)
    with checks.explained(), scratch(settings.scratch_dir) as folder:
        registered = registry.newest(day.isoformat())
        record: TrainingRecord = registry.document(registered.run_id, TRAINING, TrainingRecord)
        split, threshold = record.split, record.threshold
        test = prepare(
            labelled_days(
                platform.lake, split.test.start, split.test.end, day, record.table_versions
            ),
            split.test_only,
            settings.labels,
            record.training,
            folder,
            record.features,
        ).test
        with registry.model_file(registered.version) as path:
            booster = load_booster(path.read_bytes(), record.features)
        scored = with_scores(test.rows, predict_all(booster, test.chunks(), record.calibration))
        metrics = evaluate(scored, threshold.value, costs)
        slices = by_slice(scored, threshold.value, costs)
        name = f"{MODEL_NAME} v{registered.version}"
        plots = plot_all(
            scored, threshold.value, costs, booster, Caption(model=name, period=str(split.test))
        )
        page = render(
            Report(
                model_name=MODEL_NAME,
                model_version=f"v{registered.version}",
                partition=record.partition,
                split=split,
                threshold=threshold,
                metrics=metrics,
                slices=slices,
                table_versions=record.table_versions,
                plots=plots,
            )
        )
        evaluation = EvaluationRecord(
            partition=record.partition,
            model_version=registered.version,
            sha256=registered.sha256,
            metrics=metrics.as_dict(),
            intervals={},
            slices=slices,
            rivals=[],
        )
        registry.add(
            registered.run_id,
            metrics={f"test_{name}": value for name, value in metrics.as_dict().items()},
            files={
                EVALUATION: msgspec.json.encode(evaluation),
                "report.html": page.encode(),
                **{f"plots/{name}.png": png for name, png in plots.items()},
            },
        )
    return dg.MaterializeResult(
        metadata={
            "model": name,
            **metadata.mlflow_run(settings, registered.run_id),
            "test": str(split.test),
            "plots": dg.MetadataValue.md("\n\n".join(_picture(*plot) for plot in plots.items())),
            # To four digits, to be read; MLflow has them in full.
            **{name: round(value, 4) for name, value in metrics.as_dict().items()},
        }
    )


def _picture(name: str, png: bytes) -> str:
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
