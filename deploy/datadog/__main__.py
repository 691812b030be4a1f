"""python -m deploy.datadog [RUNBOOK]: writes monitors.json, one monitor for each alert.

RUNBOOK is the address where docs/monitoring.md is shown; what an alert means is taken from there,
its limit and its severity from deploy/prometheus.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from deploy.grafana.panels import alert_rules, limit_of

FILE = Path(__file__).parent / "monitors.json"
PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
RUNBOOK = "docs/monitoring.md"

_PRIORITY = {"page": 1, "ticket": 3}


class Monitor(NamedTuple):
    """A query of Datadog's; LIMIT is that of the alert, as far as it has one of its own.

    `silent` says what no data at all means: `resolve` that all is well, `show_and_notify_no_data`
    that somebody has to look.
    """

    query: str
    silent: str = "resolve"


_MISSED = "show_and_notify_no_data"

MONITORS: dict[str, Monitor] = {
    "FraudServiceDown": Monitor("max(last_5m):sum:predictflow.fraud_worker_up{*} < 1", _MISSED),
    "FraudNoModel": Monitor(
        # Since 1970, that is: none was loaded.
        "min(last_5m):max:predictflow.fraud_model_loaded_age_seconds{*} > 1000000000"
    ),
    "FraudLatencyHigh": Monitor(
        "avg(last_10m):p99:predictflow.fraud_prediction_latency_seconds{*} > LIMIT"
    ),
    "FraudDegradedHigh": Monitor(
        "sum(last_10m):sum:predictflow.fraud_predictions_degraded.count{*}.as_count()"
        " / sum:predictflow.fraud_predictions.count{*}.as_count() > LIMIT"
    ),
    "FraudErrorsHigh": Monitor(
        "sum(last_10m):sum:predictflow.fraud_requests_failed.count{*}.as_count()"
        " / (sum:predictflow.fraud_predictions.count{*}.as_count()"
        " + sum:predictflow.fraud_requests_failed.count{*}.as_count()) > LIMIT"
    ),
    "FraudModelRefused": Monitor(
        "sum(last_1h):sum:predictflow.fraud_bundles_refused.count{*}.as_count() > 0"
    ),
    "FraudDecisionsDropped": Monitor(
        "sum(last_10m):sum:predictflow.fraud_decisions_dropped.count{*}.as_count() > 0"
    ),
    "FraudOnlineStateStale": Monitor(
        "min(last_15m):max:predictflow.fraud_online_state_age_seconds{*} > LIMIT"
    ),
    "FraudNoDecisions": Monitor(
        "sum(last_15m):sum:predictflow.fraud_predictions.count{*}.as_count() < 1", _MISSED
    ),
    "FraudDayMissing": Monitor(
        "min(last_10m):max:predictflow.fraud_last_made_day_age_seconds{*} > LIMIT"
    ),
    "FraudRunsFailed": Monitor("max(last_10m):max:predictflow.fraud_failed_runs{*} > LIMIT"),
    "FraudQuarantineHigh": Monitor(
        "max(last_10m):max:predictflow.fraud_quarantined_events{*}"
        " / max:predictflow.fraud_table_newest_day_rows{table:raw_transactions} > 0.01"
    ),
    "FraudRowsLow": Monitor(
        "pct_change(avg(last_1h),last_1w):"
        "max:predictflow.fraud_table_newest_day_rows{table:raw_transactions} < -50"
    ),
    "FraudDrift": Monitor("max(last_10m):max:predictflow.feature_drifted{*} by {feature} > 0"),
    "FraudDriftUnjudged": Monitor("max(last_10m):max:predictflow.fraud_drift_judged{*} < 1"),
    "FraudPrecisionLow": Monitor(
        "max(last_10m):(max:predictflow.fraud_model_precision{estimate:matured,model_version:all}"
        " - max:predictflow.fraud_quality_floor{metric:precision})"
        " * max:predictflow.fraud_quality_below_floor{*} < 0"
    ),
    "FraudRecallLow": Monitor(
        "max(last_10m):(max:predictflow.fraud_model_recall{estimate:matured,model_version:all}"
        " - max:predictflow.fraud_quality_floor{metric:recall})"
        " * max:predictflow.fraud_quality_below_floor{*} < 0"
    ),
    "FraudCalibrationOff": Monitor(
        "min(last_10m):max:predictflow.fraud_model_calibration_error"
        "{estimate:matured,model_version:all}"
        " - 3 * max:predictflow.fraud_champion_metric{metric:expected_calibration_error} > 0.01"
    ),
    "FraudParityBroken": Monitor(
        "max(last_10m):max:predictflow.fraud_parity_differing_values{*} by {feature} > 0"
    ),
    "FraudModelOld": Monitor(
        "min(last_10m):max:predictflow.fraud_champion_promoted_age_seconds{*} > LIMIT"
    ),
    "FraudGateRefusing": Monitor(
        "max(last_1h):max:predictflow.fraud_gate_condition_passed{!condition:better}"
        " by {condition} < 1"
    ),
    "FraudFiguresStale": Monitor(
        "min(last_10m):max:predictflow.fraud_figures_age_seconds{*} > LIMIT", _MISSED
    ),
    "FraudAlertsWaiting": Monitor("min(last_10m):max:predictflow.fraud_alerts_waiting{*} > LIMIT"),
}


def meanings() -> dict[str, str]:
    """What the runbook says that each alert means, on one line."""
    form = r"^### (\w+)\n\n\*\*Means\.\*\* (.*?)\n\n"
    found = re.findall(form, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


def monitors(runbook: str = RUNBOOK) -> list[dict[str, Any]]:
    """The bodies of as many calls of POST /api/v1/monitor."""
    rules, means = alert_rules(), meanings()
    return [
        _monitor(name, monitor, rules[name], means[name], runbook)
        for name, monitor in MONITORS.items()
    ]


def _monitor(
    name: str, monitor: Monitor, rule: dict[str, Any], means: str, runbook: str
) -> dict[str, Any]:
    query = monitor.query
    if "LIMIT" in query:
        query = query.replace("LIMIT", f"{limit_of(rule)[1]:.12g}")
    severity = rule["labels"]["severity"]
    return {
        "name": name,
        "type": "query alert",
        "query": query,
        "message": f"{means}\n\nWhat to do: {runbook}#{name.lower()}\n\n@oncall",
        "tags": ["service:predictflow", f"severity:{severity}"],
        "priority": _PRIORITY[severity],
        "options": {
            "thresholds": {"critical": float(query.split()[-1])},
            "on_missing_data": monitor.silent,
            "include_tags": True,
            "require_full_window": False,
        },
    }


def text_of(runbook: str = RUNBOOK) -> str:
    """What the file holds."""
    return json.dumps(monitors(runbook), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text_of(*sys.argv[1:]))
