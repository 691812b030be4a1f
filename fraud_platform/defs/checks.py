"""Asset checks from rules: specified beside the asset, reported before anything is committed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from fraud_platform.contracts.quality import Outcome, Rule
from fraud_platform.errors import PredictFlowError, UnavailableError


def specs(asset: str, rules: Sequence[Rule]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            rule.name, asset=asset, description=rule.description, blocking=rule.blocking
        )
        for rule in rules
    ]


@contextmanager
def explained() -> Iterator[None]:
    """Turns a fault that only a person can mend into a failure that isn't tried again."""
    try:
        yield
    except UnavailableError:
        raise  # the retry policy is there for these
    except PredictFlowError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def enforce(
    context: dg.AssetExecutionContext, outcomes: Sequence[Outcome]
) -> list[dg.AssetCheckResult]:
    """The results to return with the materialisation; raises before the commit if a rule blocks.

    A blocking check stops what is downstream, but by then the rows would be in the table. So the
    failed evaluations are logged here and the asset fails: the former data stay as they are.
    """
    days = context.partition_key_range
    failed = [o for o in outcomes if not o.passed and o.rule.blocking]
    if not failed:
        return [
            dg.AssetCheckResult(
                check_name=outcome.rule.name,
                passed=outcome.passed,
                severity=_severity(outcome),
                metadata=_metadata(outcome, days),
            )
            for outcome in outcomes
        ]
    for outcome in outcomes:
        context.log_event(
            # Dagster takes check evaluations here; only its annotation doesn't say so.
            dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]
                asset_key=context.asset_key,
                check_name=outcome.rule.name,
                passed=outcome.passed,
                severity=_severity(outcome),
                metadata=_metadata(outcome, days),
                blocking=outcome.rule.blocking,
            )
        )
    broken = "; ".join(_told(outcome) for outcome in failed)
    raise dg.Failure(
        f"{broken}. Nothing was written, the former data "
        "stay. The check names the rows: mend them at their source and land them again.",
        metadata={o.rule.name: _table(o) for o in failed},
        allow_retries=False,
    )


def held(
    rule: Rule, broken: Sequence[str], severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
) -> dg.AssetCheckResult:
    """The result of a rule that stops nothing, from the sentences that say how it is broken."""
    said = "; ".join(broken) or rule.description
    return dg.AssetCheckResult(
        check_name=rule.name,
        passed=not broken,
        severity=severity,
        description=said,
        metadata={"sentence": said},
    )


def _told(outcome: Outcome) -> str:
    rows = "1 row" if outcome.failing == 1 else f"{outcome.failing:,} rows"
    first = ", ".join(f"{name} {value}" for name, value in next(iter(outcome.rows), {}).items())
    return f"{outcome.rule.name} broken by {rows}" + (f", the first: {first}" if first else "")


def _severity(outcome: Outcome) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if outcome.rule.blocking else dg.AssetCheckSeverity.WARN


def _metadata(outcome: Outcome, days: dg.PartitionKeyRange) -> dict[str, dg.MetadataValue]:
    # A check's result is of a run's days; Dagster itself would show no day beside it.
    metadata: dict[str, dg.MetadataValue] = {
        "days": dg.MetadataValue.text(f"{days.start} to {days.end}"),
        "failing_rows": dg.MetadataValue.int(outcome.failing),
    }
    if outcome.rows:
        metadata["rows"] = _table(outcome)
    return metadata


def _table(outcome: Outcome) -> dg.MetadataValue:
    records = [
        dg.TableRecord({key: "" if value is None else str(value) for key, value in row.items()})
        for row in outcome.rows
    ]
    names = dict.fromkeys(name for row in outcome.rows for name in row)
    return dg.MetadataValue.table(
        records, schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names])
    )
