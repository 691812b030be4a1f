"""A backtest as a picture and as one HTML file that needs nothing beside itself."""

from collections.abc import Sequence

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter

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
SPAN = {"accuracy": 0.01}
"""How much of the scale is shown at least, where it isn't a tenth."""


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
    days = np.array([one.day for one in found.days], dtype="datetime64[D]")
    for name, axes in zip(PANELS, panels, strict=True):
        for metric, label, colour in LINES.get(name, [(name, "", MODEL_COLOUR)]):
            values = _values(found, metric)
            middle = float(np.nanmean(values))
            shown = f"{label}, mean {_figure(name, middle)}".removeprefix(", ")
            axes.plot(days, values, color=colour, marker="o", markersize=2.5, label=shown)
            axes.axhline(middle, color=colour, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _, name=name: _figure(name, y)))
        if name != "money_saved":
            _widen(axes, SPAN.get(name, 0.1))
        axes.legend(loc="best", fontsize=8, framealpha=0.9, ncols=2)
    # Of three days it would mark the noons too.
    locator = AutoDateLocator(minticks=min(3, max(1, len(days) - 1)), maxticks=8)
    panels[-1].xaxis.set_major_locator(locator)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panels[-1].set_xlabel("day at whose end the model could have been trained", fontsize=9)
    return to_png(figure)


def _figure(panel: str, value: float) -> str:
    if panel == "money_saved":
        return f"{value:,.0f}"
    return f"{value:.1%}" if panel in LINES else f"{value:.3f}"


def _widen(axes: Axes, span: float) -> None:
    """Shows at least so much of the scale, so that what hardly moves looks like it."""
    low, high = axes.get_ylim()
    missing = max(0.0, span - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)


def _values(found: Backtest, metric: str) -> np.ndarray:
    """The metric of each day, NaN where it has no model."""
    return np.array(
        [one.metrics[metric] if isinstance(one, Backtested) else np.nan for one in found.days]
    )


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
    columns = [name for name in rows[0] if name in means or name in ("day", "test")]
    parts = [
        heading(title, 1),
        paragraph(found.about),
        tiles({name: Cell(value, f"mean of {count} days") for name, value in seen.items()}),
        heading("Over time"),
        picture("Metrics over time", png),
        heading("Day by day"),
        table(
            columns,
            [[_text(row[name]) for name in columns] for row in rows],
            numbers=[i for i, name in enumerate(columns) if name in means],
        ),
    ]
    if found.untrained:
        parts.append(heading("Days without a model"))
        parts.append(table(("Day", "Why"), [[str(one.day), one.reason] for one in found.untrained]))
    return page(title, parts)


def _text(value: str | float | None) -> str:
    match value:
        case float():
            return f"{value:,.2f}" if abs(value) > 1 else f"{value:.4f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
