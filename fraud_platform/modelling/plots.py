"""The plots of an evaluation as PNG bytes, legible at 640 pixels wide."""

from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl
import xgboost as xgb
from matplotlib.ticker import FuncFormatter, PercentFormatter
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from fraud_platform.modelling.calibration import expected_calibration_error, reliability
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.figure import (
    BASELINE_COLOUR,
    CHAMPION_COLOUR,
    LABEL_BOX,
    MODEL_COLOUR,
    as_png,
    as_shares,
    mark_threshold,
    new_axes,
    thinned,
)
from fraud_platform.modelling.scored import arrays, check_both_classes, check_scores, weight_of
from fraud_platform.modelling.threshold import curve

MAX_BARS = 20


class Caption(msgspec.Struct, frozen=True, kw_only=True):
    """What a plot says under its title: the model and the days that it was scored on."""

    model: str
    period: str

    def __str__(self) -> str:
        return f"{self.model} · {self.period}"


def plot_all(
    rows: pl.DataFrame,
    threshold: float,
    costs: Costs,
    booster: xgb.Booster,
    caption: Caption,
    champion: pl.DataFrame | None = None,
) -> dict[str, bytes]:
    """All plots of scored rows (see `scored`) by name, in the order to show them in.

    `champion` are the same rows with the live model's scores. Raises EvaluationError for rows that
    `evaluate` would refuse.
    """
    check_scores(rows)
    check_both_classes(rows)
    return {
        "precision_recall": plot_precision_recall(rows, threshold, costs, caption, champion),
        "roc": plot_roc(rows, threshold, costs, caption),
        "cost": plot_cost(rows, threshold, costs, caption),
        "calibration": plot_calibration(rows, caption),
        "importance": plot_importance(booster, caption.model),
    }


def plot_precision_recall(
    rows: pl.DataFrame,
    threshold: float,
    costs: Costs,
    caption: Caption,
    champion: pl.DataFrame | None = None,
) -> bytes:
    """Precision against recall, the chosen threshold marked, the champion's beside it, the share of
    frauds as baseline."""
    made = decide(rows, threshold, costs)
    prevalence = made.prevalence
    figure, axes = new_axes("Precision and recall", str(caption))
    curves = [(rows, "model", MODEL_COLOUR)]
    if champion is not None:
        curves.insert(0, (champion, "champion", CHAMPION_COLOUR))
    for scored, name, colour in curves:
        score, is_fraud, _ = arrays(scored)
        weight = weight_of(scored)
        precision, recall, _ = precision_recall_curve(
            is_fraud, score, sample_weight=weight, drop_intermediate=True
        )
        area = average_precision_score(is_fraud, score, sample_weight=weight)
        axes.step(
            *thinned(recall, precision),
            where="post",
            color=colour,
            label=f"{name}, average precision {area:.3f}",
        )
    axes.axhline(
        prevalence,
        color=BASELINE_COLOUR,
        linestyle="--",
        label=f"chance: share of frauds {prevalence:.2%}",
    )
    mark_threshold(axes, made.recall, made.precision, threshold)
    axes.set(xlabel="Recall: share of frauds caught", ylabel="Precision: share of alerts right")
    as_shares(axes)
    return as_png(figure, axes, "lower left")


def plot_roc(rows: pl.DataFrame, threshold: float, costs: Costs, caption: Caption) -> bytes:
    """Frauds caught against false alarms, the chosen threshold marked, chance as baseline."""
    score, is_fraud, _ = arrays(rows)
    false_positive, true_positive, _ = roc_curve(
        is_fraud, score, sample_weight=weight_of(rows), drop_intermediate=True
    )
    made = decide(rows, threshold, costs)
    figure, axes = new_axes("ROC", str(caption))
    area = auc(false_positive, true_positive)
    axes.plot(
        *thinned(false_positive, true_positive),
        color=MODEL_COLOUR,
        label=f"model, area {area:.3f}",
    )
    axes.plot([0, 1], [0, 1], color=BASELINE_COLOUR, linestyle="--", label="chance, area 0.500")
    mark_threshold(axes, made.stopped, made.recall, threshold)
    axes.set(
        xlabel="Share of legitimate transactions stopped", ylabel="Recall: share of frauds caught"
    )
    as_shares(axes)
    return as_png(figure, axes, "lower right")


def plot_cost(rows: pl.DataFrame, threshold: float, costs: Costs, caption: Caption) -> bytes:
    """The cost of missed frauds and false alarms at each threshold, beside that of never acting."""
    found = curve(rows, costs)
    thresholds, money, never = found.thresholds, found.cost / 100, found.cost[-1] / 100
    chosen = money[np.searchsorted(thresholds, threshold, side="right") - 1]
    figure, axes = new_axes("Cost against threshold", str(caption))
    x, y = thinned(np.append(thresholds, 1.0), np.append(money, money[-1]))
    axes.step(x, y, where="post", color=MODEL_COLOUR, label="model")
    axes.axhline(never, color=BASELINE_COLOUR, linestyle="--", label=f"never fraud: {never:,.0f}")
    mark_threshold(axes, threshold, float(chosen), threshold, f": {chosen:,.0f}")
    # Stopping everything costs many times the rest, which would be squeezed to a line.
    top = max(never * 1.15, float(chosen) * 1.2, 1.0)
    axes.set(
        xlim=(0, 1),
        ylim=(0, top),
        xlabel="Threshold (fraud is called above it)",
        ylabel="Cost, currency units",
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return as_png(figure, axes, "lower right")


def plot_calibration(rows: pl.DataFrame, caption: Caption) -> bytes:
    """Share of frauds among rows of like score, the diagonal of a calibrated model as baseline."""
    score, is_fraud, _ = arrays(rows)
    weight = weight_of(rows)
    mean_score, fraud_share, count = reliability(score, is_fraud, weight)
    figure, axes = new_axes("Calibration", str(caption))
    error = expected_calibration_error(score, is_fraud, weight)
    filled = count > 0
    axes.plot(
        mean_score[filled],
        fraud_share[filled],
        color=MODEL_COLOUR,
        marker="o",
        label=f"model, calibration error {error:.3f}",
    )
    for x, y, rows_here in zip(mean_score[filled], fraud_share[filled], count[filled], strict=True):
        axes.annotate(
            f"{rows_here:,.0f}",
            (x, y),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
            fontsize=8,
            bbox=LABEL_BOX,
        )
    axes.plot([0, 1], [0, 1], color=BASELINE_COLOUR, linestyle="--", label="calibrated")
    share = float(np.average(is_fraud, weights=weight))
    axes.axhline(share, color=BASELINE_COLOUR, linestyle=":", label=f"share of frauds {share:.2%}")
    axes.set(xlabel="Mean score of the bin (numbers: its transactions)", ylabel="Share of frauds")
    as_shares(axes)
    return as_png(figure, axes, "upper left")


def plot_importance(booster: xgb.Booster, model: str) -> bytes:
    """Each feature's share of the gain of all splits, largest first, at most twenty."""
    shares = gain_shares(booster)
    top = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MAX_BARS]
    names, values = [name for name, _ in reversed(top)], [share for _, share in reversed(top)]
    figure, axes = new_axes(
        "Feature importance",
        f"{model} · on the fit days",
        height=max(3.2, 1.4 + 0.32 * len(top)),
    )
    bars = axes.barh(names, values, color=MODEL_COLOUR)
    shown = [f"{value:.1%}" for value in values]
    axes.bar_label(bars, labels=shown, padding=3, fontsize=9, bbox=LABEL_BOX)
    even = 1 / len(shares)
    label = f"all alike: {even:.1%}"
    axes.axvline(even, color=BASELINE_COLOUR, linestyle="--", label=label, zorder=0)
    axes.set(xlim=(0, max(*values, even) * 1.15), xlabel="Share of the gain of all splits")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="y")
    return as_png(figure, axes, "lower right")


def gain_shares(booster: xgb.Booster) -> dict[str, float]:
    """Each feature's share of the gain of all splits, in the model's order; 0 where unused."""
    gains = booster.get_score(importance_type="total_gain")
    names: Sequence[str] = booster.feature_names or list(gains)
    known = {name: float(np.sum(gains.get(name, 0.0))) for name in names}
    total = sum(known.values()) or 1.0
    return {name: gain / total for name, gain in known.items()}
