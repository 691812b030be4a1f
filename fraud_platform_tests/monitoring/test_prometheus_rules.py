"""deploy/prometheus: valid, and each alert shown to fire and to recover, by promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraud_platform.settings import Settings
from fraud_platform_tests.deploy.metrics_known import metrics_known
from fraud_platform_tests.deploy.promql import named
from fraud_platform_tests.prometheus_server import DEPLOYED, needs

RULES = {
    rule["alert"]: rule
    for path in sorted((DEPLOYED / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
TESTS = {
    path: yaml.safe_load(path.read_text())["tests"]
    for path in sorted((DEPLOYED / "tests").glob("*.yml"))
}


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [needs("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_its_rules_are_valid() -> None:
    promtool("check", "config", DEPLOYED / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_as_their_unit_tests_say(path: Path) -> None:
    promtool("test", "rules", path)


@pytest.mark.parametrize("alert", RULES)
def test_a_unit_test_shows_that_the_alert_fires_and_recovers(alert: str) -> None:
    def shown(test: dict[str, Any]) -> list[bool]:
        checks = [one for one in test["alert_rule_test"] if one["alertname"] == alert]
        return [bool(one["exp_alerts"]) for one in checks]

    assert [False, True, False] in [shown(test) for tests in TESTS.values() for test in tests]


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_asks_for_metrics_and_labels_that_there_are(alert: str) -> None:
    found, known = named(RULES[alert]["expr"]), metrics_known()
    assert found.metrics
    assert found.metrics <= known.keys()
    for metric, labels in found.labels.items():
        assert labels <= known[metric], metric
    assert found.grouped <= set().union(*(known[metric] for metric in found.metrics))


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_says_how_bad_it_is_and_where_the_runbook_is(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{alert.lower()}"


def test_every_process_is_scraped_where_it_listens_by_default() -> None:
    config = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text())
    found = {
        job["job_name"].removeprefix("predictflow-"): job["static_configs"][0]["targets"]
        for job in config["scrape_configs"]
    }
    default = Settings()
    assert found == {
        "service": [f"{default.serving.host}:{default.serving.port}"],
        "exporter": [f"{default.exporter.metrics_host}:{default.exporter.metrics_port}"],
        "follower": [f"{default.ingest.metrics_host}:{default.ingest.metrics_port}"],
        "stream": [f"{default.stream.metrics_host}:{default.stream.metrics_port}"],
    }


def test_the_compose_file_runs_it_for_this_machine_alone_and_only_where_asked() -> None:
    compose = yaml.safe_load((DEPLOYED.parent / "compose.yaml").read_text())
    named = compose["volumes"]
    watching = {
        name: one
        for name, one in compose["services"].items()
        if "monitoring" in one.get("profiles", [])
    }
    assert set(watching) == {"prometheus", "grafana"}
    for service in watching.values():
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        places = [volume.split(":")[0] for volume in service["volumes"]]
        for place in places:
            mounted = (DEPLOYED.parent / place).is_dir() if "/" in place else place in named
            assert mounted, place
    prometheus, grafana = watching["prometheus"], watching["grafana"]
    assert "--web.listen-address=127.0.0.1:9090" in prometheus["command"]
    assert grafana["environment"]["PROMETHEUS_URL"] == "http://127.0.0.1:9090"
    assert grafana["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    provisioned = "".join(
        path.read_text() for path in (DEPLOYED.parent / "grafana/provisioning").rglob("*.yml")
    )
    assert set(re.findall(r"\$\{(\w+)\}", provisioned)) <= set(grafana["environment"])
