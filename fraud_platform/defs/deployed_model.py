"""`deployed_model`: the model that serves, as alias and as bundle."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg

from fraud_platform.challenger import (
    Challenger,
    bundle_of,
    is_intact,
    keep_verdict,
    read_challenger,
    verdict_on,
)
from fraud_platform.contracts.quality import Outcome, Rule
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.evaluation_report import evaluation_report
from fraud_platform.defs.partitions import daily, last_day, retry, run_a_day
from fraud_platform.defs.resources import Platform
from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.gate import CONDITIONS
from fraud_platform.modelling.promotion_log import Entry, PromotionRefused
from fraud_platform.modelling.promotions import By, live, next_number, promote
from fraud_platform.modelling.remote_bundles import RemoteBundles
from fraud_platform.modelling.shadow import clear_shadow, point_shadow_at
from fraud_platform.modelling.verdict import Condition, Verdict
from fraud_platform.registry import MODEL_NAME, Registered, Registry
from fraud_platform.settings import Settings

EVALUATED = Rule("evaluated", "The model's own evaluation report is there.")
NOT_OLDER = Rule("not_older", "No model of a later day is live.")
INTACT = Rule("intact", "The registry's model file has the sha256 that training recorded.")
RULES = (EVALUATED, NOT_OLDER, INTACT)
GATE = tuple(Rule(name, text, blocking=False) for name, text in CONDITIONS.items())


@dg.asset(
    deps=[evaluation_report],
    partitions_def=daily,
    backfill_policy=run_a_day,
    retry_policy=retry,
    group_name="model",
    owners=metadata.ML_TEAM,
    kinds={"mlflow", "xgboost"},
    check_specs=checks.specs("deployed_model", (*RULES, *GATE)),
    output_required=False,
)
def deployed_model(
    context: dg.AssetExecutionContext, platform: Platform
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Makes the day's model live: the verified bundle that the service loads, and the alias.

    Where bundles are in S3 (serving.bundles_url) it is published there; a run that fails in that is
    repeated, and publishes what is live.

    A model that the gate refuses leaves the live one where it is: its checks say why, nothing is
    materialised, and the run succeeds. A run fails where a model of a later day is live, so that a
    backfill never deploys an old one, and where another changed the live model meanwhile.
    """
    settings, day = platform.settings, last_day(context).date()
    registry, root = Registry(settings), platform.settings.bundles_dir
    with checks.explained():
        registry.follow()
        registered = registry.newest(day.isoformat())
        number, before = next_number(root), live(root)
        one = _evaluated(registry, registered)
        with registry.model_file(registered.version) as model:
            results = checks.enforce(
                context,
                [
                    Outcome(EVALUATED, int(one is None), [] if one else [_missing(registered)]),
                    _not_older(before, day.isoformat()),
                    Outcome(INTACT, int(not is_intact(registered, model))),
                ],
            )
            assert one is not None
            # A run that is repeated after it promoted has nothing left to judge.
            again = before is not None and _is_of(before, registered)
            verdict = registry.verdict(registered) if again else None
            if verdict is None:
                verdict = verdict_on(settings, one, model, None if again else before)
                keep_verdict(registry, one, verdict)
            results += [_told(condition) for condition in verdict.conditions]
            if not (verdict.passed or again):
                context.log.warning(verdict.refusal)
                if settings.gate.shadow == "refused" and verdict.can_serve:
                    bundle = bundle_of(settings, one, model)
                    _check_running(context)
                    point_shadow_at(root, bundle)
                yield from results
                return
            bundle = bundle_of(settings, one, model)
        entry = promote(
            root,
            bundle,
            By(who="deployed_model", why=_why(verdict), run_id=context.run.run_id),
            gate="passed",
            number=number,
            confirm=partial(_check_running, context),
        )
        clear_shadow(root)
        registry.follow()
        if settings.serving.bundles_url:
            RemoteBundles(settings.serving.bundles_url).publish(root)
    yield dg.MaterializeResult(
        metadata=_metadata(settings, one, entry) | {"bundle": dg.MetadataValue.path(str(bundle))},
        check_results=results,
    )


def _evaluated(registry: Registry, registered: Registered) -> Challenger | None:
    try:
        return read_challenger(registry, registered)
    except PredictFlowError:  # not evaluated: the check says so
        return None


def _missing(registered: Registered) -> dict[str, str]:
    return {"model": registered.version, "mend": "materialise evaluation_report of the day"}


def _not_older(before: Entry | None, partition: str) -> Outcome:
    if before is None:
        return Outcome(NOT_OLDER)
    row = {"live": before.partition, "wanted": partition}
    return Outcome(NOT_OLDER, int(before.partition > partition), [row])


def _is_of(entry: Entry, registered: Registered) -> bool:
    return (entry.model_version, entry.sha256) == (registered.version, registered.sha256)


def _told(condition: Condition) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=condition.name,
        passed=condition.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=condition.sentence,
        metadata={
            "figure": condition.figure,
            "limit": condition.limit,
            "sentence": condition.sentence,
        },
    )


def _why(verdict: Verdict) -> str:
    (better,) = (one for one in verdict.conditions if one.name == "better")
    return f"the gate let it in: {better.sentence}"


def _check_running(context: dg.AssetExecutionContext) -> None:
    """A run that was given up (killed, canceled, taken for dead) may still be at work."""
    run_id = context.run.run_id
    run = context.instance.get_run_by_id(run_id)
    if run is None or run.status != dg.DagsterRunStatus.STARTED:
        status = "not there any more" if run is None else run.status.value
        raise PromotionRefused(
            f"run {run_id} is {status} in Dagster, so it promotes nothing: the live model stays. "
            "Materialise deployed_model of the day again if it is still wanted"
        )


def _metadata(settings: Settings, one: Challenger, entry: Entry) -> dict[str, Any]:
    registered = one.registered
    return {
        "model": f"{MODEL_NAME} v{registered.version}",
        "replaces": f"{MODEL_NAME} v{entry.from_version}" if entry.from_version else "none",
        "promotion": entry.number,
        "threshold": round(one.training.threshold.value, 4),
        "average_precision": round(one.evaluation.metrics["average_precision"], 4),
        **metadata.mlflow_run(settings, registered.run_id),
    }
