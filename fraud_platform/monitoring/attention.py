"""What of the platform's figures needs a person, and what to do about it.

The same for the terminal, the service's page and whoever else asks; the alert that says it too
gives the section of docs/monitoring.md.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from fraud_platform.contracts.monitoring import Figures, GateResult
from fraud_platform.monitoring.words import counted

STALE = timedelta(minutes=10)
"""Figures older than this are not of now: they are gathered each minute."""
_BETTER = "better"
"""A challenger that is no better than the champion is no fault."""
GATHERER = "Start Dagster with its daemon (make dev): its sensor platform_figures gathers them"


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """Something for a person: what it is, what to do, and the alert that is raised for it."""

    says: str
    mend: str
    alert: str


def concerns(figures: Figures) -> list[Concern]:
    """What needs a person, in the order of the data's way; nothing of an empty platform but how to
    begin."""
    if figures.model is None and not figures.days and not figures.faults:
        return [
            Concern(
                says="Nothing was landed yet, and no model is live",
                mend="predictflow demo shows the whole way; with data of yours begin with "
                "predictflow ingest FILES",
                alert="FraudNoModel",
            )
        ]
    looks = (_faults, _days, _runs, _drift, _quality, _model)
    return [one for look in looks for one in look(figures)]


def stale(at: datetime, now: datetime) -> bool:
    """Whether figures as of `at` are too old to go by, or of a clock that is ahead as far."""
    return abs(now - at) > STALE


def _faults(figures: Figures) -> Iterator[Concern]:
    for fault in figures.faults:
        yield Concern(
            says=f"Left out of the figures: {fault}",
            mend="Without it nothing here speaks of it",
            alert="FraudFiguresStale",
        )


def _days(figures: Figures) -> Iterator[Concern]:
    failed = [one for one in figures.days if one.state == "failed"]
    missing = [one.day for one in figures.days if one.state == "missing"]
    if failed:
        runs = ", ".join(
            one.day + (f" (run {one.run_id[:8]})" if one.run_id else "") for one in failed
        )
        yield Concern(
            says=f"Failed: {runs}",
            mend="Look into the run; then " + _materialize([one.day for one in failed]),
            alert="FraudRunsFailed",
        )
    if missing:
        yield Concern(
            says=f"Not made: {', '.join(missing)}",
            mend="See whether its data came; then " + _materialize(missing),
            alert="FraudDayMissing",
        )


def _materialize(days: list[str]) -> str:
    return f"predictflow materialize --from {min(days)} --to {max(days)}"


def _runs(figures: Figures) -> Iterator[Concern]:
    if figures.failed_runs:
        yield Concern(
            says=f"Within a day {counted(figures.failed_runs, 'run')} failed after the last try",
            mend="Look at the failed runs in Dagster, and run them again once mended",
            alert="FraudRunsFailed",
        )
    if figures.waiting_alerts:
        alerts = counted(figures.waiting_alerts, "alert waits", "alerts wait")
        yield Concern(
            says=f"{alerts} for a target that is down",
            mend="predictflow alerts list says which; predictflow alerts flush sends them",
            alert="FraudAlertsWaiting",
        )


def _drift(figures: Figures) -> Iterator[Concern]:
    newest = max(figures.drift, key=lambda one: one.day, default=None)
    if newest is None:
        return
    if newest.unjudged:
        yield Concern(
            says=f"The drift of {newest.day} was not judged: {newest.unjudged}",
            mend="Without a verdict on the day nothing says whether the model still fits it",
            alert="FraudDriftUnjudged",
        )
    elif newest.drifted:
        yield Concern(
            says=f"{newest.day} is not like the training: {', '.join(newest.drifted)}",
            mend="See what moved, and whether a model trained since fits better",
            alert="FraudDrift",
        )


def _quality(figures: Figures) -> Iterator[Concern]:
    for finding in figures.below_floor:
        yield Concern(
            says=finding,
            mend="Since when, of which version? predictflow models rollback takes the former",
            alert="FraudRecallLow" if "recall" in finding.lower() else "FraudPrecisionLow",
        )
    newest = max(figures.parity, key=lambda one: one.day, default=None)
    if newest is not None and newest.differing:
        values = sum(newest.differing.values())
        yield Concern(
            says=f"{newest.day}: {counted(values, 'served value')} unlike the lake's, unexplained: "
            + ", ".join(sorted(newest.differing)),
            mend="predictflow decisions replay ID --features shows one decision's",
            alert="FraudParityBroken",
        )


def _model(figures: Figures) -> Iterator[Concern]:
    if figures.model is None:
        yield Concern(
            says="No model is live",
            mend="predictflow materialize the days there are: it trains, judges and deploys",
            alert="FraudNoModel",
        )
    gate = figures.gate
    if gate is not None and not gate.passed and _failed(gate) != [_BETTER]:
        yield Concern(
            says=f"The gate refused v{gate.model_version} of {gate.partition}: {gate.refusal}",
            mend="The model before it stays live; the evaluation report of that day says more",
            alert="FraudGateRefusing",
        )


def _failed(gate: GateResult) -> list[str]:
    return [name for name, held in gate.conditions.items() if not held]
