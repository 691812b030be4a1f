"""A backtest as a picture and as one HTML file that needs nothing beside itself."""

from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from fraud_platform.modelling.backtest import Backtested, Untrained, mean
from fraud_platform.modelling.figure import (
    BASELINE_COLOUR,
    MODEL_COLOUR,
    THRESHOLD_COLOUR,
    new_panels,
    to_png,
)
from fraud_platform.modelling.page import Cell, heading, page, paragraph, picture, table, tiles

PANELS = {
    "average_precision": "Average precision",
    "auc_roc": "AUC ROC",
    "card_precision_100": "Card precision at 100",
    "decisions": "Alerts that were right, and frauds caught, at the threshold",
    "accuracy": "Accuracy",
    "money_saved": "Money saved on the test days",
}
Line = tuple[str, str, str]
"""Name of a metric, label, colour."""
LINES: dict[str, Sequence[Line]] = {
    "decisions": [
        ("precision", "precision", MODEL_COLOUR),
        ("recall", "recall", THRESHOLD_COLOUR),
    ],
    "accuracy": [
        ("accuracy", "model", MODEL_COLOUR),
        ("accuracy_never_fraud", "never fraud", BASELINE_COLOUR),
    ],
}
"""The panels of several lines; the others have the metric that they are named after."""


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows: the days asked for, oldest first, each with its model or without.

    `about` says where the models come from. At least one day was tested.
    """

    days: list[Backtested | Untrained]
    about: str

    @property
    def tested(self) -> list[Backtested]:
        return [one for one in self.days if isinstance(one, Backtested)]

    @property
    def untrained(self) -> list[Untrained]:
        return [one for one in self.days if isinstance(one, Untrained)]


def plot(found: Backtest) -> bytes:
    """The metrics over the models' days as PNG; a line is broken where a day has no model."""
    figure, panels = new_panels(list(PANELS.values()))
    days = [one.day for one in found.days]
    for name, axes in zip(PANELS, panels, strict=True):
        for metric, label, colour in LINES.get(name, [(name, "", MODEL_COLOUR)]):
            _line(axes, days, _values(found, metric), label, colour)
        if name == "average_precision":
            share = _values(found, "frauds") / _values(found, "rows")
            axes.plot(days, share, color=BASELINE_COLOUR, linestyle=":", label="chance")
        if name in LINES:
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        elif name == "money_saved":
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.legend(loc="best", fontsize=8, framealpha=0.9, ncols=4)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    panels[-1].xaxis.set_major_locator(locator)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panels[-1].set_xlabel("day at whose end the model could have been trained", fontsize=9)
    return to_png(figure)


def _values(found: Backtest, metric: str) -> np.ndarray:
    """The metric of each day, NaN where it has no model."""
    return np.array(
        [one.metrics[metric] if isinstance(one, Backtested) else np.nan for one in found.days]
    )


def _line(axes: Axes, days: list[date], values: np.ndarray, label: str, colour: str) -> None:
    middle = float(np.nanmean(values))
    shown = f"{middle:,.0f}" if abs(middle) > 1 else f"{middle:.3f}"
    text = f"{label}, mean {shown}" if label else f"mean {shown}"
    axes.plot(days, values, color=colour, marker="o", markersize=2.5, linewidth=1.3, label=text)
    axes.axhline(middle, color=colour, linewidth=0.8, linestyle="--", alpha=0.7)


def render(found: Backtest, png: bytes) -> str:
    """The page: the means, the picture of `plot`, a row a day, and what could not be tested."""
    means, count = mean(found.tested), len(found.tested)
    seen = {
        "average precision": f"{means['average_precision']:.3f}",
        "AUC ROC": f"{means['auc_roc']:.3f}",
        "card precision at 100": f"{means['card_precision_100']:.3f}",
        "money saved": f"{means['money_saved']:,.0f}",
    }
    title = f"Backtest {found.days[0].day} to {found.days[-1].day}"
    rows = [one.row() for one in found.tested]
    parts = [
        heading(title, 1),
        paragraph(found.about),
        tiles({name: Cell(value, f"mean of {count} days") for name, value in seen.items()}),
        heading("Over time"),
        picture("Metrics over time", png),
        heading("Day by day"),
        table(
            list(rows[0]),
            [[_text(value) for value in row.values()] for row in rows],
            numbers=[i for i, name in enumerate(rows[0]) if name in means],
        ),
    ]
    if found.untrained:
        parts.append(heading("Days without a model"))
        parts.append(table(("Day", "Why"), [[str(one.day), one.reason] for one in found.untrained]))
    return page(title, parts)


def _text(value: str | float | None) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.2f}" if abs(value) > 1 else f"{value:.4f}"
        case int():
            return f"{value:,}"
        case _:
            return value
