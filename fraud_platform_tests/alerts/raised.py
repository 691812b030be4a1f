"""An alert, and settings with the targets that a test has."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fraud_platform.alerts.alert import Alert
from fraud_platform.settings import Alerts, Secret, Settings

HOOK_PATH = "/services/T0/B0/very-secret-hook"
KEY = "R0UT1NGKEY"


def alert(**changes: Any) -> Alert:
    given: dict[str, Any] = {
        "key": "run_failed/daily/fraud_model",
        "severity": "error",
        "channel": "operations",
        "title": "Job daily failed of 2026-04-09",
        "text": "fraud_model: no label is known",
        "link": "http://dagster:3000/runs/1",
        "when": datetime.now(UTC),
    }
    return Alert(**given | changes)


def settings(directory: Path, hook: str = "", pager: str = "", **alerts: Any) -> Settings:
    """Settings with a webhook and PagerDuty's events at these servers' addresses."""
    if hook:
        alerts["webhook_url"] = Secret(hook + HOOK_PATH)
    if pager:
        alerts |= {"pagerduty_url": pager + "/v2/enqueue", "pagerduty_key": Secret(KEY)}
    return Settings(data_dir=directory, alerts=Alerts(**alerts))
