"""Whoever is paged finds the alert's section in docs/monitoring.md, and commands that there are."""

import re
from pathlib import Path

import click
import pytest

from deploy.grafana.panels import alert_rules
from fraud_platform.cli import main
from fraud_platform.settings import Settings
from fraud_platform_tests.deploy.metrics_known import metrics_known

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "monitoring.md").read_text()
RUNBOOK = PAGE.partition("\n## Runbook\n")[2]
SECTIONS = {part.split("\n")[0]: part for part in RUNBOOK.split("\n### ")[1:]}
CODE = re.findall(r"`([^`\n]+)`", PAGE) + [
    line for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
COMMANDS = sorted(
    {
        command.strip()
        for code in CODE
        for command in re.findall(r"(?:^|\s)predictflow ([a-z][^`|&#]*)", code)
    }
)


def test_every_alert_has_a_section_and_every_section_an_alert():
    assert list(SECTIONS) == list(dict.fromkeys(SECTIONS))
    assert SECTIONS.keys() == alert_rules().keys()


def test_every_section_says_what_it_means_where_to_look_what_to_do_and_when_to_call_for_help():
    for name, text in SECTIONS.items():
        parts = re.findall(r"^\*\*(\w+)\.\*\* \S", text, re.MULTILINE)
        assert parts == ["Means", "Look", "Do", "Escalate"], name


def test_commands_are_found():
    assert len(COMMANDS) > 25
    assert {command.split()[0] for command in COMMANDS} >= {"status", "alerts", "models", "online"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there_and_takes_its_options(command: str):
    """As far as click can say without running it: the names of commands, options and arguments."""
    words = [word for word in re.findall(r'"[^"]*"|\S+', command) if word not in ("\\", "…")]
    given = [word.strip('"') for word in words]
    found: click.Command = main
    context = click.Context(main)
    while isinstance(found, click.Group) and given:
        inner = found.get_command(context, given[0])
        assert inner is not None, f"{command}: no command {given[0]}"
        found, given = inner, given[1:]
    options = {name for param in found.params for name in (*param.opts, *param.secondary_opts)}
    assert {word for word in given if word.startswith("--")} <= options, command
    if not isinstance(found, click.Group):
        filled = ["2026-03-01" if word == "DAY" else "3" if word == "N" else word for word in given]
        found.make_context(found.name, filled, resilient_parsing=False)


def test_every_metric_and_setting_that_is_named_is_there():
    names = {name for code in CODE for name in re.findall(r"\b(?:fraud|feature)_[a-z_0-9]+", code)}
    shown = {re.sub(r"_(?:bucket|count|sum)$", "", name) for name in metrics_known()}
    kept = {"feature_store", "fraud_model", "fraud_platform", "feature_deadline_ms"}
    assert names - kept <= shown | metrics_known().keys()
    sections = {name: getattr(Settings(), name) for name in Settings.__struct_fields__}
    named = re.findall(rf"`({'|'.join(sections)})\.(\w+)", PAGE)
    assert len(named) > 5
    for section, setting in named:
        assert setting in sections[section].__struct_fields__, f"{section}.{setting}"


def test_links_within_the_page_lead_somewhere():
    headings = {
        line.lstrip("# ").lower().replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("##")
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= headings
    for path in re.findall(r"\]\(\.\./([\w./]+)\)", PAGE):
        assert (CHECKOUT / path).exists(), path
