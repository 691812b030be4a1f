"""The quality report of a day: read from the lake, judged, written down, said in words."""

from datetime import date, timedelta
from pathlib import Path

import msgspec

from fraud_platform.clock import days_between
from fraud_platform.contracts.monitoring import DayQuality, Quality, QualityReport
from fraud_platform.durable import replace_durably
from fraud_platform.lake.decided_rows import decided_rows
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.costs import costs_of
from fraud_platform.monitoring.quality import below_floors, judge
from fraud_platform.settings import Settings


def report_on(settings: Settings, lake: Lake, day: date) -> QualityReport:
    """The decisions whose labels matured on `day`, and early estimates of each day since.

    It takes the labels that were known at the end of `day`, so a day made later says the same.
    """
    costs, mature = costs_of(settings.training), day - timedelta(days=settings.labels.maturity_days)
    judged, findings = [], []
    for decided in days_between(mature, day + timedelta(days=1)):
        rows = decided_rows(lake, decided, day, settings.labels.lookback_days)
        matured = decided == mature
        judged.append(judge(rows, str(decided), "matured" if matured else "early", costs))
        if matured:
            findings = below_floors(rows, str(decided), settings.quality_floors)
    return QualityReport(day=str(day), days=judged, findings=findings)


def keep(folder: Path, report: QualityReport) -> Path:
    """Writes DAY.json into `folder`, whole or not at all; its path."""
    path = folder / f"{report.day}.json"
    replace_durably(path, msgspec.json.encode(report))
    return path


def headline(report: QualityReport) -> str:
    """The matured day in one sentence."""
    found = report.days[0]
    if found.unjudged:
        return f"{found.decided} was not judged: {found.unjudged}."
    one = found.overall
    return (
        f"{found.decided}: precision {_figure(one.precision)}, recall {_figure(one.recall)} on "
        f"{one.labelled:,} labelled decisions, {one.frauds:,} of them frauds."
    )


_HEAD = (
    *("Decided", "Labels", "Model", "Decisions", "Degraded", "Labelled", "Frauds", "Alarms"),
    *("Precision", "Recall", "AUC", "Average precision", "Calibration error", "Saved", "Lost"),
)


def markdown(report: QualityReport) -> str:
    """Each day's figures as a table, of all models and of each; early estimates say so."""
    lines = [_HEAD, ["---"] * len(_HEAD)]
    for day in report.days:
        several = day.by_model if len(day.by_model) > 1 else []
        lines += [_line(day, one) for one in (day.overall, *several)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = [f"{day.decided}: {day.unjudged}." for day in report.days if day.unjudged]
    return "\n\n".join([table, *notes])


def _line(day: DayQuality, one: Quality) -> list[str]:
    versions = [each.model_version for each in day.by_model]
    version = one.model_version or (versions[0] if len(versions) == 1 else "all")
    counts = (one.decisions, one.degraded, one.labelled, one.frauds, one.alarms)
    shares = (one.precision, one.recall, one.auc, one.average_precision, one.calibration_error)
    money = (one.money_saved, one.money_lost)
    return [
        day.decided,
        "final" if day.estimate == "matured" else "early estimate",
        version or "",
        *(f"{count:,}" for count in counts),
        *map(_figure, shares),
        *("" if value is None else f"{value:,.2f}" for value in money),
    ]


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
