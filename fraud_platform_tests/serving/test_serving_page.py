"""`docs/serving.md` names what is there."""

import re
from pathlib import Path

from fraud_platform.settings import Serving
from fraud_platform_tests.serving.parts import Client
from serving.openapi.document import document

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def section(title: str) -> str:
    """The text below a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_it_has_every_setting_with_its_default() -> None:
    rows = [line.split("|")[1:4] for line in section("Settings").splitlines() if "| `" in line]
    shown = {
        name: default
        for names, defaults, _ in rows
        for name, default in zip(
            re.findall(r"`(\w+)`", names), defaults.strip().split(", "), strict=False
        )
    }

    assert list(shown) == list(Serving.__struct_fields__)
    for name, default in shown.items():
        value = getattr(Serving(), name)
        if isinstance(value, str | int | float) and value:
            assert default == (value if isinstance(value, str) else f"{value:g}"), name


def test_its_metrics_are_shown_by_the_service(client: Client) -> None:
    named = set(re.findall(r"`(fraud_\w+?)(?:\{\w+\}|_\*)?`", section("Metrics")))
    shown = client.get("/metrics").text

    assert len(named) > 15
    assert {name for name in named if name not in shown} == set()


def test_it_has_every_path_and_kind_of_problem() -> None:
    api = document()
    kinds = set(re.findall(r"urn:predictflow:problem:([a-z-]+)", str(api)))

    assert {path for path in api["paths"] if f"{path}`" not in PAGE} == set()
    assert {kind for kind in kinds if f"`{kind}`" not in section("Errors")} == set()
