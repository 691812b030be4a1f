"""Every metric that there is, from the code that shows it, with its labels."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from deploy.grafana.panels import RULES
from fraud_platform.ingest.follower_metrics import FollowerMetrics
from fraud_platform.monitoring.figures_metrics import registry_of
from fraud_platform.settings import Settings
from fraud_platform.stream.metrics import StreamMetrics
from fraud_platform_tests.deploy.promql import named
from fraud_platform_tests.monitoring.watched import FIGURES
from serving.metrics import Metrics

SCRAPED = {"job", "instance"}
"""Labels that Prometheus itself gives each series."""

_PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
_OWN = {"up": SCRAPED, "ALERTS": {"alertname", "alertstate", "severity"}}


@cache
def metrics_known() -> dict[str, set[str]]:
    """Labels by metric, of all that is scraped, recorded, and Prometheus' own."""
    known = {name: set(labels) for name, labels in _OWN.items()}
    platform = registry_of(lambda: FIGURES, Settings())
    for maker in (Metrics(), FollowerMetrics(), StreamMetrics()):
        known.update(_of(maker.registry))
    known.update(_of(platform))
    for rule in recording_rules():
        known[rule["record"]] = named(rule["expr"]).grouped | set(rule.get("labels", {}))
    return known


def recording_rules() -> Iterator[dict[str, Any]]:
    """The recording rules of deploy/prometheus."""
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "record" in rule)


def _of(registry: CollectorRegistry) -> Iterator[tuple[str, set[str]]]:
    for collector in list(registry._collector_to_names):
        own = set(collector._labelnames) if isinstance(collector, MetricWrapperBase) else set()
        for family in collector.collect():
            own |= {label for sample in family.samples for label in sample.labels}
            # A service of several workers says which of them, where it doesn't add them up.
            own |= {"worker"} if family.name.startswith("fraud_worker_") else set()
            for part in _PARTS[family.type]:
                yield family.name + part, own | SCRAPED | ({"le"} if part == "_bucket" else set())
