"""What a dashboard is made of, and as Grafana's JSON.

A panel with `limits` has its threshold from that alert of deploy/prometheus, so the line on the
panel is where the pager goes off; those it names link to their sections of the runbook.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""Of Grafana's grid."""

Kind = Literal["timeseries", "stat", "table", "status-history"]
Json = dict[str, Any]


class Panel(NamedTuple):
    """One picture: `queries` are PromQL by legend, `unit` is one of Grafana's."""

    title: str
    about: str
    unit: str
    queries: Mapping[str, str]
    kind: Kind = "timeseries"
    alerts: Sequence[str] = ()
    limits: str = ""
    """The one of `alerts` whose limit is drawn."""
    width: int = 8
    height: int = 7
    stacked: bool = False
    bad_from: float | None = None
    """Where red begins, for a panel that no alert's limit fits."""


class Variable(NamedTuple):
    """A choice above the panels, of the values that a label has."""

    name: str
    title: str
    values: str


class Board(NamedTuple):
    """A dashboard: its rows by title, each of panels."""

    name: str
    title: str
    about: str
    rows: Mapping[str, Sequence[Panel]]
    variables: Sequence[Variable] = ()
    period: str = "now-6h"


def alert_rules() -> dict[str, Json]:
    """The alerts of deploy/prometheus by name."""
    files = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.yml"))]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def limit_of(rule: Json) -> tuple[str, float]:
    """The first number that an alert's expression compares with, as `>` and 0.05.

    Raises ValueError where it compares with none.
    """
    found = re.search(r"([<>])=?\s*(\d[\d.]*(?:\s*\*\s*\d[\d.]*)*)", rule["expr"])
    if found is None:
        raise ValueError(f"alert {rule['alert']} compares with no number: {rule['expr']}")
    return found[1], math.prod(float(factor) for factor in found[2].split("*"))


def as_json(board: Board, runbook: str) -> Json:
    """The dashboard; `runbook` is where docs/monitoring.md is shown."""
    return {
        "uid": f"predictflow-{board.name}",
        "title": board.title,
        "description": board.about,
        "tags": ["predictflow"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": board.period, "to": "now"},
        "timezone": "utc",
        "links": [
            _link("link", "Runbook", url="${runbook}", targetBlank=True),
            _link("dashboards", "PredictFlow", tags=["predictflow"], keepTime=True),
        ],
        "annotations": {"list": [_promotions()]},
        "templating": {"list": list(_variables(board, runbook))},
        "panels": list(_panels(board, alert_rules())),
    }


def _promotions() -> Json:
    """A line wherever a model went live: the first thing to know of a change."""
    return {
        "name": "A model went live",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": "max(fraud_champion_promoted_timestamp_seconds) * 1000",
        "useValueForTime": True,
        "titleFormat": "A model went live",
        "step": "60s",
    }


def _variables(board: Board, runbook: str) -> Iterator[Json]:
    yield {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "PredictFlow Prometheus", "value": "predictflow-prometheus"},
    }
    current = {"text": runbook, "value": runbook}
    yield {"name": "runbook", "type": "constant", "hide": 2, "query": runbook, "current": current}
    for variable in board.variables:
        yield {
            "name": variable.name,
            "label": variable.title,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": variable.values, "refId": variable.name},
            "definition": variable.values,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _panels(board: Board, rules: Mapping[str, Json]) -> Iterator[Json]:
    y, number = 0, 0
    for title, panels in board.rows.items():
        number += 1
        at = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "gridPos": at,
            "collapsed": False,
            "panels": [],
        }
        x, y, highest = 0, y + 1, 0
        for panel in panels:
            number += 1
            if x + panel.width > COLUMNS:
                x, y, highest = 0, y + highest, 0
            at = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": at, **_panel(panel, rules)}
            x, highest = x + panel.width, max(highest, panel.height)
        y += highest


def _panel(panel: Panel, rules: Mapping[str, Json]) -> Json:
    defaults: Json = {"unit": panel.unit, "thresholds": _thresholds(panel, rules)}
    if panel.kind == "timeseries":
        drawn = "dashed" if len(defaults["thresholds"]["steps"]) > 1 else "off"
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 5,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": drawn},
            "showPoints": "never",
        }
    elif panel.kind == "status-history":
        defaults |= {"color": {"mode": "continuous-GrYlRd"}, "min": 0, "max": panel.bad_from}
    else:
        defaults["color"] = {"mode": "thresholds"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind in ("stat", "table"),
                "range": panel.kind not in ("stat", "table"),
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for number, (legend, expression) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "links": [
            {"title": alert, "url": f"${{runbook}}#{alert.lower()}", "targetBlank": True}
            for alert in panel.alerts
        ],
        **({"transformations": _AS_ONE_TABLE} if panel.kind == "table" else {}),
    }


def _thresholds(panel: Panel, rules: Mapping[str, Json]) -> Json:
    sign, limit = limit_of(rules[panel.limits]) if panel.limits else (">", panel.bad_from)
    low, high = ("green", "red") if sign == ">" else ("red", "green")
    steps: list[Json] = [{"color": low, "value": None}]
    if limit is not None:
        # A colour begins at its value, an alert past it: none of something is no fault.
        steps.append({"color": high, "value": limit or 1e-9})
    return {"mode": "absolute", "steps": steps}


def _link(kind: str, title: str, **others: object) -> Json:
    plain = {"asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": False}
    said = {"type": kind, "title": title, "icon": "external link", "tooltip": "", "tags": []}
    return {**said, **plain, **others}


_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_CALCULATED = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: dict[Kind, Json] = {
    "timeseries": {
        "legend": _LEGEND,
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _CALCULATED,
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "value_and_name",
        "wideLayout": True,
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "status-history": {
        "showValue": "never",
        "rowHeight": 0.9,
        "legend": _LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
_AS_ONE_TABLE = [
    {"id": "merge", "options": {}},
    {"id": "organize", "options": {"excludeByName": {"Time": True}}},
]
