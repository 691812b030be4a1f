"""A day's drift as pictures, as a table for Dagster, and as one HTML page."""

import numpy as np

from fraud_platform.features.phrases import number
from fraud_platform.modelling.figure import (
    BASELINE_COLOUR,
    MODEL_COLOUR,
    THRESHOLD_COLOUR,
    as_png,
    new_axes,
)
from fraud_platform.modelling.page import (
    Cell,
    heading,
    page,
    paragraph,
    picture,
    table,
    tiles,
    verdict,
)
from fraud_platform.monitoring.distance import MEASURES
from fraud_platform.monitoring.drift import Measured
from fraud_platform.monitoring.drift_day import DriftReport

NAMES = {"psi": "PSI", "kl": "KL", "ks": "KS", "missing": "Missing", "outside": "Unseen"}
MOST = 6
"""Drifted features whose shares are drawn."""
SHOWN = 20
"""Features in the picture of all."""


def headline(report: DriftReport) -> str:
    """The day in one sentence."""
    if report.drifted is None:
        return f"{report.day} was not judged: {report.unjudged}."
    judged, found = len(report.drifted.measured), len(report.drifted.found)
    gone = f"; {len(report.drifted.vanished)} are gone" if report.drifted.vanished else ""
    if not (found or gone):
        return f"{report.day} is like the training: none of {judged} features and scores drifted."
    return f"{report.day} is not like the training: {found} of {judged} drifted{gone}."


def plots(report: DriftReport) -> dict[str, bytes]:
    """All features' PSI beside their bounds, then the shares of what drifted, as PNG by name."""
    if report.drifted is None or not report.drifted.measured:
        return {}
    drawn = {"PSI of each feature": _overview(report, report.drifted.measured)}
    return drawn | {
        f"{one.name} on the day and in training": _shares(report, one)
        for one in report.drifted.found[:MOST]
    }


def render(report: DriftReport, drawn: dict[str, bytes]) -> str:
    """The report as one HTML page: no script, no other file, legible on a phone."""
    title = f"Drift of {report.day}"
    parts = [heading(title, level=1), verdict(headline(report), good=not _bad(report))]
    if report.drifted is not None:
        parts += [*_about(report), *_found(report)]
        parts += [heading("All features"), _table(report.drifted.measured), paragraph(*_LEGEND)]
    if drawn:
        parts += [heading("Plots"), *(picture(name, png) for name, png in drawn.items())]
    return page(title, parts)


def markdown(report: DriftReport) -> str:
    """Every measure of every feature as a table, what drifted in bold."""
    if report.drifted is None:
        return headline(report)
    head = ["Feature", *NAMES.values(), "Verdict"]
    lines = [head, ["---"] * len(head)]
    for one in _sorted(report.drifted.measured):
        name = f"**{one.name}**" if one.drifted else one.name
        cells = [f"{one.distances[each]:.3f} / {one.bound[each]:.3f}" for each in MEASURES]
        lines.append([name, *cells, _verdict(one)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_LEGEND = (
    (
        "Each figure with its bound below: the limit, and what chance explains of so many rows, "
        "users and features on top."
    ),
    (
        "PSI and KL compare all bins, KS is the largest distance between cumulated shares, missing "
        "the difference of the shares without a value, unseen the share of values that training "
        "never saw."
    ),
)


def _bad(report: DriftReport) -> bool:
    drifted = report.drifted
    return drifted is None or bool(drifted.found or drifted.vanished)


def _about(report: DriftReport) -> list[str]:
    assert report.drifted is not None
    days = ", ".join(report.weekdays) or "none"
    unknown = report.drifted.unknown
    said = [f"Former days of the same weekday, up to the model's own day: {days}."]
    if report.scores:
        said.append(f"Scores are {report.scores}.")
    if unknown:
        said.append(f"The model keeps no reference of {', '.join(unknown)}.")
    figures = {
        "Drifted": Cell(
            f"{len(report.drifted.found)}", f"of {len(report.drifted.measured)} judged"
        ),
        "Transactions": Cell(f"{report.rows:,}", "with features"),
        "Model": Cell(f"v{report.model_version}", f"of {report.partition}"),
    }
    return [tiles(figures), paragraph(*said)]


def _found(report: DriftReport) -> list[str]:
    if not report.findings:
        return []
    found = [text.partition(": ") for text in report.findings]
    body = [[name, said] for name, _, said in found]
    return [heading("What moved"), table(("Feature", "Finding"), body)]


def _table(measured: list[Measured]) -> str:
    body = [
        [
            one.name,
            *(
                Cell(
                    f"{one.distances[name]:.3f}",
                    f"bound {one.bound[name]:.3f}",
                    "bad" if name in one.over and one.drifted and name not in one.usual else "",
                )
                for name in MEASURES
            ),
            Cell(_verdict(one), kind="bad" if one.drifted else ""),
        ]
        for one in _sorted(measured)
    ]
    return table(("Feature", *NAMES.values(), "Verdict"), body, numbers=range(1, 1 + len(NAMES)))


def _verdict(one: Measured) -> str:
    if one.drifted:
        return "drifted"
    if one.ignored:
        return "not judged, by setting"
    return "as on such weekdays" if one.usual else "like training"


def _sorted(measured: list[Measured]) -> list[Measured]:
    return sorted(measured, key=lambda one: (not one.drifted, -_times(one)))


def _times(one: Measured) -> float:
    return one.distances["psi"] / one.bound["psi"]


def _overview(report: DriftReport, measured: list[Measured]) -> bytes:
    shown = _sorted(measured)[:SHOWN][::-1]
    below = f"{report.day} against model v{report.model_version}, {report.rows:,} transactions"
    figure, axes = new_axes("PSI of each feature", below, height=1.4 + 0.28 * len(shown))
    at = np.arange(len(shown))
    colours = [THRESHOLD_COLOUR if one.drifted else MODEL_COLOUR for one in shown]
    axes.barh(at, [one.distances["psi"] for one in shown], color=colours, label="PSI")
    bounds = [one.bound["psi"] for one in shown]
    axes.plot(bounds, at, "|", color="black", markersize=9, linestyle="none", label="bound")
    axes.set_yticks(at, [one.name for one in shown], fontsize=8)
    return as_png(figure, axes, "lower right")


def _shares(report: DriftReport, one: Measured) -> bytes:
    figure, axes = new_axes(one.name, f"share of payments, {report.day} and training", height=3.2)
    at = np.arange(len(one.shares))
    axes.bar(at - 0.2, one.trained, 0.4, color=BASELINE_COLOUR, label="training")
    axes.bar(at + 0.2, one.shares, 0.4, color=THRESHOLD_COLOUR, label=report.day)
    edges = [number(edge) for edge in one.edges]
    ends = [f"≤ {edge}" for edge in edges] + [f"> {edges[-1]}" if edges else "any"]
    axes.set_xticks(at, [*ends, "missing"], rotation=45, ha="right", fontsize=8)
    return as_png(figure, axes, "upper right")
