"""Grafana's dashboards ask only for what there is, and are what the code beside them makes."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import BOARDS, FOLDER, text_of
from deploy.grafana.panels import COLUMNS, alert_rules, limit_of
from fraud_platform_tests.deploy.metrics_known import metrics_known
from fraud_platform_tests.deploy.promql import named
from fraud_platform_tests.prometheus_server import needs

PROVISIONING = FOLDER.parent / "provisioning"
Json = dict[str, Any]


def boards() -> dict[str, Json]:
    return {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}


def panels() -> Iterator[Json]:
    for board in boards().values():
        yield from (panel for panel in board["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    """All that Prometheus is asked, with Grafana's variables filled in as it fills them in."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    for board in boards().values():
        asked += [one["expr"] for one in board["annotations"]["list"]]
    filled = [one.replace("$__rate_interval", "1m") for one in asked]
    return [re.sub(r"\$\w+", ".*", one) for one in filled]


def test_the_files_are_what_the_code_makes():
    assert (
        {board.name for board in BOARDS} == set(boards()) == {"service", "model", "data", "drift"}
    )
    for board in BOARDS:
        text = (FOLDER / f"{board.name}.json").read_text()
        assert text == text_of(board), f"python -m deploy.grafana makes another {board.name}.json"


def test_queries_name_only_metrics_and_labels_that_there_are():
    known = metrics_known()
    assert len(expressions()) > 90
    for expression in expressions():
        found = named(expression)
        assert found.metrics, expression
        assert found.metrics <= known.keys(), expression
        for metric, labels in found.labels.items():
            assert labels <= known[metric], expression
        assert found.grouped <= set().union(*(known[one] for one in found.metrics)), expression


def test_variables_list_labels_that_there_are():
    asked = [
        re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
        for board in boards().values()
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    ]
    assert len(asked) == 3
    for found in asked:
        assert found is not None
        assert found[2] in metrics_known()[found[1]]


def test_a_variable_that_is_used_is_there():
    for board in boards().values():
        there = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board)))
        assert used == there


@pytest.mark.parametrize(
    ("expression", "metrics", "labels", "grouped"),
    [
        ("up", {"up"}, {}, set()),
        ('sum by (le) (rate(a_b{c="d", e=~"f}"}[5m]))', {"a_b"}, {"a_b": {"c", "e"}}, {"le"}),
        ("a:b / on (c, d) group_left (e) f > bool 1e3", {"a:b", "f"}, {}, {"c", "d", "e"}),
        ("time() - max(a offset 1d) unless b and 2 * c", {"a", "b", "c"}, {}, set()),
        ("topk(3, histogram_quantile(0.99, x_bucket))", {"x_bucket"}, {}, set()),
    ],
)
def test_what_an_expression_names(
    expression: str, metrics: set[str], labels: dict[str, set[str]], grouped: set[str]
):
    assert named(expression) == (metrics, labels, grouped)


def test_prometheus_takes_every_expression(tmp_path: Path):
    rules = [{"record": f"asked:{number}", "expr": one} for number, one in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    done = subprocess.run(
        [needs("promtool"), "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_says_what_it_shows_in_which_unit_and_fits():
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
    for board in boards().values():
        titles = [panel["title"] for panel in board["panels"]]
        assert len(titles) == len(set(titles))


def test_panels_link_to_alerts_that_there_are_and_every_alert_has_one():
    linked = {link["title"] for panel in panels() for link in panel["links"]}
    assert linked == alert_rules().keys()
    assert all(
        link["url"] == f"${{runbook}}#{link['title'].lower()}"
        for panel in panels()
        for link in panel["links"]
    )


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        ("a > 0.05", (">", 0.05)),
        ("a / b < 0.5 and c > 10", ("<", 0.5)),
        ("time() - a >= 3 * 24 * 3600 or b == 0", (">", 259200)),
    ],
)
def test_the_limit_of_an_alert_is_what_it_compares_with(expression: str, limit: tuple[str, float]):
    assert limit_of({"alert": "A", "expr": expression}) == limit


def test_an_alert_without_a_limit_is_named():
    with pytest.raises(ValueError, match="alert A compares with no number: up == b"):
        limit_of({"alert": "A", "expr": "up == b"})


def test_grafana_finds_the_dashboards_and_the_datasource_they_use():
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "predictflow.yml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == "${PREDICTFLOW_DASHBOARDS}"
    for board in boards().values():
        first = board["templating"]["list"][0]
        assert first["current"]["value"] == source["uid"]
        used = {str(panel["datasource"]) for panel in board["panels"] if "datasource" in panel}
        assert used == {str({"type": source["type"], "uid": "${datasource}"})}
    assert len({board["uid"] for board in boards().values()}) == 4
