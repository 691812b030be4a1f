"""`evaluation_report`: how the day's model does on days that nothing was chosen on."""

import base64

import dagster as dg
import msgspec

from fraud_platform.defs import checks, metadata
from fraud_platform.defs.fraud_model import fraud_model
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.resources import Platform
from fraud_platform.features.catalogue import FEATURE_NAMES
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
from fraud_platform.tracking import PLOTS, REPORT


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
    """The day's model on the last days of its window, beside the live one, a rule and no rule.

    Reads the table versions that training recorded and counts in the costs that it was given, so
    both speak of the same rows and money. Intervals are bootstrapped over users. Where the service
    let would-be blocks pass at random, rows are weighed as in `propensity`, and the report says so.
    It is one HTML page in MLflow; the plots are in the metadata here as well.
    """
    # XGBoost and matplotlib take seconds to import, which loading the definitions needn't pay.
    from fraud_platform.modelling.champion import read_champion  # noqa: PLC0415
    from fraud_platform.modelling.judge import enter, features_of, judge  # noqa: PLC0415
    from fraud_platform.modelling.plots import Caption, plot_all  # noqa: PLC0415
    from fraud_platform.modelling.predict import load_booster  # noqa: PLC0415
    from fraud_platform.modelling.report import Report, render  # noqa: PLC0415
    from fraud_platform.modelling.wording import rivals_table, slices_table, span  # noqa: PLC0415

    settings, day = platform.settings, last_day(context).date()
    registry = Registry(settings)
    with checks.explained():
        registered = registry.newest(day.isoformat())
        record: TrainingRecord = registry.document(registered.run_id, TRAINING, TrainingRecord)
        with registry.model_file(registered.version) as path:
            booster = load_booster(path.read_bytes(), record.features, threads=0)
        champion = read_champion(settings.bundles_dir, FEATURE_NAMES)
        split = record.split
        with scratch(settings.scratch_dir) as folder:
            test = prepare(
                labelled_days(
                    platform.lake, split.test.start, split.test.end, day, record.table_versions
                ),
                split.test_only,
                settings.labels,
                record.training,
                folder,
                features_of(record, champion),
            ).test
            entered = enter(test, record, booster, champion)
            del test  # the rows with all their columns
        evaluation = judge(
            entered,
            record,
            version=registered.version,
            sha256=registered.sha256,
            samples=settings.gate.bootstrap,
        )
        name = f"{MODEL_NAME} v{registered.version}"
        plots = plot_all(
            entered.model.rows,
            record.threshold.value,
            costs_of(record.training),
            booster,
            Caption(model=name, period=str(split.test)),
            champion=entered.champion.rows if entered.champion else None,
        )
        report = Report(model_name=MODEL_NAME, training=record, evaluation=evaluation, plots=plots)
        registry.add(
            registered.run_id,
            metrics=_logged(evaluation),
            files={
                EVALUATION: msgspec.json.encode(evaluation),
                REPORT: render(report).encode(),
                **{f"{PLOTS}/{name}.png": png for name, png in plots.items()},
            },
        )
    return dg.MaterializeResult(
        metadata={
            "model": name,
            **metadata.mlflow_run(settings, registered.run_id),
            "test": str(split.test),
            "rivals": dg.MetadataValue.md(rivals_table(record, evaluation)),
            "slices": dg.MetadataValue.md(slices_table(evaluation)),
            "plots": dg.MetadataValue.md("\n\n".join(_picture(*plot) for plot in plots.items())),
            # To four digits, to be read; MLflow has them in full.
            **{name: round(value, 4) for name, value in evaluation.metrics.items()},
            **{
                f"{name}_interval": span(name, found)
                for name, found in evaluation.intervals.items()
            },
        }
    )


def _logged(evaluation: EvaluationRecord) -> dict[str, float]:
    """Every figure under a name of its own, for MLflow's curves over days."""
    found = {f"test_{name}": value for name, value in evaluation.metrics.items()}
    for name, one in evaluation.intervals.items():
        found |= {f"test_{name}_low": one.low, f"test_{name}_high": one.high}
    found |= {f"test_uncalibrated_{name}": value for name, value in evaluation.uncalibrated.items()}
    for rival in evaluation.rivals:
        whose = rival.name.replace(" ", "_")
        found |= {f"{whose}_{name}": value for name, value in rival.metrics.items()}
        for name, one in rival.gain.items():
            found |= {f"gain_on_{whose}_{name}_low": one.low}
            found |= {f"gain_on_{whose}_{name}_high": one.high}
    return found


def _picture(name: str, png: bytes) -> str:
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
