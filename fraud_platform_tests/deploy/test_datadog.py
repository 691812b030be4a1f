"""What Datadog's agent reads and its monitors ask for is there, under the alerts' own names."""

import json
import re
from typing import Any

import yaml

from deploy.datadog.__main__ import FILE, text_of
from deploy.grafana.panels import alert_rules
from fraud_platform.settings import Datadog, Serving, Settings
from fraud_platform_tests.deploy.metrics_known import metrics_known

AGENT = FILE.parent / "conf.d" / "openmetrics.d" / "conf.yaml"
INSTANCES = yaml.safe_load(AGENT.read_text())["instances"]
MONITORS: list[dict[str, Any]] = json.loads(FILE.read_text())


def kinds() -> dict[str, set[str]]:
    """What Datadog has of each metric by its name: the ends of the names that arrive."""
    known = metrics_known()
    found: dict[str, set[str]] = {}
    for name in known:
        if name.endswith("_total"):
            found[name.removesuffix("_total")] = {".count"}
        elif name.endswith("_bucket"):
            found[name.removesuffix("_bucket")] = {"", ".count", ".sum"}
        elif not name.endswith(("_count", "_sum")):
            found[name] = {""}
    return found


def read_by_the_agent() -> dict[str, str]:
    """The names of metrics by those that they have in Datadog, without the prefix."""
    read = {}
    for instance in INSTANCES:
        for metric in instance["metrics"]:
            named = {metric: metric} if isinstance(metric, str) else metric
            for name, said in named.items():
                shown = said if isinstance(said, str) else said["name"]
                for end in kinds()[name]:
                    read[shown + end] = name
    return read


def test_the_file_is_what_the_code_makes():
    assert FILE.read_text() == text_of(), "python -m deploy.datadog makes another monitors.json"


def test_the_agent_reads_only_metrics_that_there_are():
    assert len(read_by_the_agent()) > 50  # each name is looked up in what there is
    defaults = Settings()
    ports = [re.search(r":(\d+)/metrics$", one["openmetrics_endpoint"]) for one in INSTANCES]
    assert [int(port[1]) for port in ports if port] == [
        Serving().port,
        defaults.exporter.metrics_port,
        defaults.ingest.metrics_port,
        defaults.stream.metrics_port,
    ]
    assert {one["namespace"] for one in INSTANCES} == {Datadog().prefix}


def test_moments_are_read_as_the_time_since_them():
    for instance in INSTANCES:
        for metric in instance["metrics"]:
            name, said = (metric, None) if isinstance(metric, str) else next(iter(metric.items()))
            since = name.replace("_timestamp_", "_age_")
            expected = {"name": since, "type": "time_elapsed"} if since != name else None
            assert said == expected


def test_every_alert_is_a_monitor_of_that_name():
    names, rules = [monitor["name"] for monitor in MONITORS], alert_rules()
    assert len(names) == len(set(names))
    assert set(names) == rules.keys()
    for monitor in MONITORS:
        severity = rules[monitor["name"]]["labels"]["severity"]
        assert f"severity:{severity}" in monitor["tags"]
        assert f"docs/monitoring.md#{monitor['name'].lower()}" in monitor["message"]


def test_monitors_ask_for_what_the_agent_reads_by_labels_that_it_has():
    read, known = read_by_the_agent(), metrics_known()
    for monitor in MONITORS:
        asked = re.findall(
            r":predictflow\.([\w.]+)\{([^}]*)\}(?: by \{([^}]*)\})?", monitor["query"]
        )
        assert len(asked) == monitor["query"].count("predictflow."), monitor["query"]
        for name, selected, grouped in asked:
            assert name in read, monitor["query"]
            metric = read[name]
            (labels,) = [
                known[one]
                for one in (metric, f"{metric}_total", f"{metric}_bucket")
                if one in known
            ]
            tags = {tag.partition(":")[0].strip(" !") for tag in selected.split(",") if tag != "*"}
            assert tags | set(filter(None, grouped.split(","))) <= labels | {"host"}, monitor[
                "query"
            ]


def test_the_limit_of_a_monitor_is_that_of_its_query():
    for monitor in MONITORS:
        critical = monitor["options"]["thresholds"]["critical"]
        form = r"(?:min|max|avg|sum|change|pct_change)\(.+ (?:<|>|<=|>=) (-?[\d.]+)"
        found = re.fullmatch(form, monitor["query"])
        assert found is not None, monitor["query"]
        assert float(found[1]) == critical
