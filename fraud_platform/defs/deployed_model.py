"""`deployed_model`: the model that serves, as alias and as bundle."""

from hashlib import sha256

import dagster as dg

from fraud_platform.contracts.quality import Outcome, Rule
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.evaluation_report import evaluation_report
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.resources import Platform
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.bundle import (
    Manifest,
    champion_path,
    point_champion_at,
    read_bundle,
    write_bundle,
)
from fraud_platform.modelling.record import (
    EVALUATION,
    TRAINING,
    EvaluationRecord,
    TrainingRecord,
)
from fraud_platform.registry import MODEL_NAME, Registered, Registry
from fraud_platform.settings import Settings

EVALUATED = Rule("evaluated", "The model's own evaluation report is there.")
BEATS_CHANCE = Rule(
    "better_than_chance", "Its average precision on the test days is above the share of fraud."
)
NOT_OLDER = Rule("not_older", "No model of a later day is live.")
INTACT = Rule("intact", "The registry's model file has the sha256 that training recorded.")
RULES = (EVALUATED, BEATS_CHANCE, NOT_OLDER, INTACT)


@dg.asset(
    deps=[evaluation_report],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="model",
    owners=metadata.ML_TEAM,
    kinds={"mlflow", "xgboost"},
    check_specs=checks.specs("deployed_model", RULES),
)
def deployed_model(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Makes the day's model live: the verified bundle that the service loads, and the alias.

    Refuses where a model of a later day is live, so that a backfill never deploys an old one.
    """
    settings, day = platform.settings, last_day(context).date()
    registry = Registry(settings)
    with checks.explained():
        registered = registry.newest(day.isoformat())
        record: TrainingRecord = registry.document(registered.run_id, TRAINING, TrainingRecord)
        evaluation = _evaluation(registry, registered)
        with registry.model_file(registered.version) as path:
            outcomes = [
                *_judge(evaluation, registered),
                _not_older(settings, day.isoformat()),
                Outcome(INTACT, int(sha256(path.read_bytes()).hexdigest() != registered.sha256)),
            ]
            results = checks.enforce(context, outcomes)
            assert evaluation is not None
            manifest = _manifest(registered, record, evaluation)
            bundle = write_bundle(settings.bundles_dir, manifest, path)
        before = registry.champion()
        point_champion_at(settings.bundles_dir, bundle)
        registry.set_champion(registered.version)
    return dg.MaterializeResult(
        metadata={
            "model": f"{MODEL_NAME} v{registered.version}",
            "replaces": f"{MODEL_NAME} v{before.version}" if before else "none",
            "bundle": dg.MetadataValue.path(str(bundle)),
            "threshold": round(record.threshold.value, 4),
            "average_precision": round(evaluation.metrics["average_precision"], 4),
        },
        check_results=results,
    )


def _evaluation(registry: Registry, registered: Registered) -> EvaluationRecord | None:
    try:
        return registry.document(registered.run_id, EVALUATION, EvaluationRecord)
    except PredictFlowError:  # not evaluated: the check says so
        return None


def _judge(evaluation: EvaluationRecord | None, registered: Registered) -> list[Outcome]:
    if evaluation is None or evaluation.model_version != registered.version:
        missing = {"model": registered.version, "mend": "materialise evaluation_report of the day"}
        return [Outcome(EVALUATED, 1, [missing]), Outcome(BEATS_CHANCE)]
    metrics = evaluation.metrics
    found, chance = metrics["average_precision"], metrics["frauds"] / metrics["rows"]
    row = {"average_precision": found, "share_of_fraud": chance}
    return [Outcome(EVALUATED), Outcome(BEATS_CHANCE, int(not found > chance), [row])]


def _not_older(settings: Settings, partition: str) -> Outcome:
    live = champion_path(settings.bundles_dir)
    if live is None:
        return Outcome(NOT_OLDER)
    manifest, _ = read_bundle(live)
    row = {"live": manifest.partition, "wanted": partition}
    return Outcome(NOT_OLDER, int(manifest.partition > partition), [row])


def _manifest(
    registered: Registered, record: TrainingRecord, evaluation: EvaluationRecord
) -> Manifest:
    return Manifest(
        model_name=MODEL_NAME,
        model_version=registered.version,
        partition=record.partition,
        features=record.features,
        threshold=record.threshold.value,
        calibration=record.calibration,
        training_window=(record.split.fit.start.isoformat(), record.split.fit.last.isoformat()),
        table_versions=record.table_versions,
        metrics=evaluation.metrics,
        reference=record.reference,
        created_at=record.created_at,
        run_id=registered.run_id,
        sha256={},
    )
