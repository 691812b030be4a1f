"""How every plot looks, and its way to PNG bytes.

Figures are made without pyplot, whose state is global to the process: Dagster may run several
evaluations in one.
"""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

MODEL_COLOUR = "#1f5fa8"
CHAMPION_COLOUR = "#8b5cf6"
THRESHOLD_COLOUR = "#c2410c"
BASELINE_COLOUR = "#6b7280"
MAX_POINTS = 2_000

Corner = Literal["upper left", "upper right", "lower left", "lower right"]
LABEL_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}


def new_axes(title: str, below: str, height: float = 4.4) -> tuple[Figure, Axes]:
    """A figure of 6.4 by `height` inches at 150 dots, its title with a smaller line below."""
    figure = Figure(figsize=(6.4, height), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=22)
    axes.text(0, 1.02, below, transform=axes.transAxes, fontsize=9, color=BASELINE_COLOUR)
    _plain(axes)
    return figure, axes


def new_panels(titles: Sequence[str], height: float = 2.0) -> tuple[Figure, list[Axes]]:
    """A figure of plots one below the other, each 6.4 by `height` inches, that share their x."""
    figure = Figure(figsize=(6.4, height * len(titles)), dpi=150, layout="constrained")
    panels = list(figure.subplots(len(titles), sharex=True, squeeze=False)[:, 0])
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        _plain(axes)
    return figure, panels


def _plain(axes: Axes) -> None:
    axes.grid(visible=True, color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def mark_threshold(axes: Axes, x: float, y: float, threshold: float, more: str = "") -> None:
    """A dot where the chosen threshold lies; `more` is added to its line of the legend."""
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=8,
        linestyle="none",
        color=THRESHOLD_COLOUR,
        label=f"threshold {threshold:.3f}{more}",
        clip_on=False,
        zorder=5,
    )


def as_shares(axes: Axes) -> None:
    """Both axes as per cent from 0 to 1."""
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most MAX_POINTS of a curve's points, with both ends: more can't be seen, and take long."""
    if x.size <= MAX_POINTS:
        return x, y
    keep = np.unique(np.linspace(0, x.size - 1, MAX_POINTS).astype(np.int64))
    return x[keep], y[keep]


def as_png(figure: Figure, axes: Axes, legend: Corner) -> bytes:
    """The figure as PNG, its legend in a corner; equal figures are equal bytes."""
    axes.legend(loc=legend, fontsize=9, framealpha=0.9)
    return to_png(figure)


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; equal figures are equal bytes."""
    buffer = io.BytesIO()
    # Without the metadata that names matplotlib's version.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
