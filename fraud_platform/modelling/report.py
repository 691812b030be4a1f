"""The evaluation report: one HTML file that needs nothing beside itself."""

import base64
from html import escape

import msgspec

from fraud_platform.modelling.evaluate import Metrics
from fraud_platform.modelling.slices import Slice
from fraud_platform.modelling.split import Split
from fraud_platform.modelling.threshold import Threshold

METRICS = {
    "average_precision": "Area under precision and recall; chance is the share of frauds",
    "card_precision_100": "Share of frauds among each day's 100 most suspicious users, mean",
    "auc_roc": "Area under ROC; chance is 0.5",
    "precision": "Share of alerts that were frauds",
    "recall": "Share of frauds that were alerts",
    "f1": "Harmonic mean of precision and recall",
    "accuracy": "Share of right decisions",
    "accuracy_never_fraud": "The same for calling nothing fraud",
    "brier": "Mean squared distance between score and outcome; 0 is best",
    "expected_calibration_error": "Mean distance between score and share of frauds; 0 is best",
}
COUNTS = {"rows": "Labelled transactions", "frauds": "Frauds", "alerts": "Alerts", "days": "Days"}
PLOTS = {
    "precision_recall": "Precision and recall",
    "roc": "ROC",
    "cost": "Cost against threshold",
    "calibration": "Calibration",
    "importance": "Feature importance",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the report shows: `metrics`, `slices` and `plots` (PNG by name) of the test days.

    `partition` is the day (YYYY-MM-DD) at whose end the model could have been trained, and
    `table_versions` the Delta versions that training read.
    """

    model_name: str
    model_version: str
    partition: str
    split: Split
    threshold: Threshold
    metrics: Metrics
    slices: list[Slice]
    table_versions: dict[str, int]
    plots: dict[str, bytes]


def render(report: Report) -> str:
    """The report as one HTML page: no script, no other file, legible on a phone."""
    title = f"{report.model_name} {report.model_version}"
    origin = (
        f"Trained as of the end of {report.partition}, reported on the test days "
        f"{report.split.test}, which nothing was chosen on."
    )
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(origin)}</p>",
            _headline(report),
            "<h2>What it was made of</h2>",
            _origin(report),
            "<h2>Metrics</h2>",
            _metrics(report.metrics),
            "<h2>Slices</h2>",
            _slices(report.slices),
            "<h2>Plots</h2>",
            *(_plot(name, png) for name, png in report.plots.items()),
        )
    )
    return PAGE.format(title=escape(title), style=STYLE, body=body)


def _headline(report: Report) -> str:
    metrics = report.metrics
    figures = {
        "money saved": f"{metrics.money_saved / 100:,.0f}",
        "frauds caught": f"{metrics.recall:.1%}",
        "alerts that were right": f"{metrics.precision:.1%}",
        "average precision": f"{metrics.average_precision:.3f}",
    }
    tiles = "".join(f"<div><b>{value}</b>{escape(name)}</div>" for name, value in figures.items())
    return f'<div class="tiles">{tiles}</div>'


def _origin(report: Report) -> str:
    parts = {
        f"{name.capitalize()} days": f"{days} ({days.days})"
        for name, days in report.split.parts.items()
    }
    tables = {
        f"Table {name}": f"version {version}"
        for name, version in sorted(report.table_versions.items())
    }
    threshold = report.threshold
    chosen = {"Threshold": f"{threshold.value:.4f}: {threshold.reason}"}
    return _table((), [[name, value] for name, value in (parts | chosen | tables).items()])


def _metrics(metrics: Metrics) -> str:
    figures = [[name, f"{getattr(metrics, name):.4f}", text] for name, text in METRICS.items()]
    money = [
        "money_saved",
        f"{metrics.money_saved / 100:,.2f}",
        "Currency units saved against calling nothing fraud",
    ]
    counts = [[name, f"{getattr(metrics, name):,}", text] for name, text in COUNTS.items()]
    return _table(("Metric", "Value", "Meaning"), [*figures, money, *counts], numbers=(1,))


def _slices(slices: list[Slice]) -> str:
    head = ("Slice", "Rows", "Frauds", "Alerts", "Precision", "Recall", "Av. precision", "Saved")
    body = [
        [
            f"{part.dimension}: {part.value}",
            f"{part.rows:,}",
            f"{part.frauds:,}",
            f"{part.alerts:,}",
            f"{part.precision:.1%}" if part.alerts else "no alert",
            f"{part.recall:.1%}" if part.frauds else "no fraud",
            "one class" if part.average_precision is None else f"{part.average_precision:.3f}",
            f"{part.money_saved / 100:,.0f}",
        ]
        for part in slices
    ]
    return _table(head, body, numbers=tuple(range(1, len(head))))


def _table(head: tuple[str, ...], body: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    """A table whose first column heads its rows; `numbers` are the columns to align right."""

    def cell(tag: str, column: int, text: str, scope: str = "") -> str:
        kind = ' class="n"' if column in numbers else ""
        # A phone may break a long name after an underscore.
        return f"<{tag}{scope}{kind}>{escape(text).replace('_', '_<wbr>')}</{tag}>"

    top = "".join(cell("th", i, text, ' scope="col"') for i, text in enumerate(head))
    rows = "".join(
        "<tr>"
        + cell("th", 0, row[0], ' scope="row"')
        + "".join(cell("td", i, text) for i, text in enumerate(row[1:], start=1))
        + "</tr>\n"
        for row in body
    )
    header = f"<thead><tr>{top}</tr></thead>\n" if head else ""
    return f'<div class="scroll"><table>\n{header}<tbody>\n{rows}</tbody></table></div>'


def _plot(name: str, png: bytes) -> str:
    label = escape(PLOTS.get(name, name))
    image = base64.b64encode(png).decode()
    return f'<figure><img alt="{label}" src="data:image/png;base64,{image}"></figure>'


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: evaluation</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""

STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #111827; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; }
.tiles div { border: 1px solid #e5e7eb; border-radius: .5rem; padding: .5rem .75rem; }
.tiles b { display: block; font-size: 1.35rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; min-width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e5e7eb; }
th { font-weight: 600; vertical-align: top; }
thead th { white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 0 0 1.5rem; }
img { width: 100%; max-width: 640px; height: auto; }
"""
