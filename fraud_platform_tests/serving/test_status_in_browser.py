"""`/status` in a browser that can reach nothing but this machine, wide and narrow, light and dark.

With PREDICTFLOW_TEST_SCREENSHOTS=FOLDER it leaves there what was seen.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.axe import axe_script
from fraud_platform_tests.chromium import BROWSER, Chromium
from fraud_platform_tests.monitoring.figured import figures_at
from fraud_platform_tests.serving.keyed import key
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium on the PATH; apt-get install chromium"
)
FOLDER = os.environ.get("PREDICTFLOW_TEST_SCREENSHOTS")
LOOKS = [
    pytest.param(width, dark, id=f"{width}-{'dark' if dark else 'light'}")
    for width in (1280, 390)
    for dark in (False, True)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, deploy: Deploy) -> Iterator[str]:
    """The page of a service with keys and a month of figures, with a key in the address."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        serving=Serving(poll_seconds=0.05, drain_seconds=0.1),
    )
    deploy(settings)
    settings.figures_file.parent.mkdir(parents=True)
    settings.figures_file.write_bytes(msgspec.json.encode(figures_at(datetime.now(UTC))))
    admin = key(settings, "admin")
    process = Process(settings)
    yield f"http://me:{admin}@127.0.0.1:{process.port}/status"
    process.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_script()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_it_is_readable_by_all_and_asks_for_nothing_else(
    browser: Chromium, address: str, axe: str, width: int, dark: bool
) -> None:
    browser.look(width, 900, dark=dark)
    browser.open(address)
    asked = [urlsplit(url) for url in browser.requests if url != "data:,"]
    if FOLDER:
        scheme = "dark" if dark else "light"
        browser.screenshot(Path(FOLDER) / f"status-{width}-{scheme}.png")
    # What is folded away is looked at too.
    browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    wide, inner = browser.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.evaluate(axe)
    found = browser.evaluate("axe.run(document, {resultTypes: ['violations']})")

    assert [(one.hostname, one.port, one.path) for one in asked] == [
        ("127.0.0.1", urlsplit(address).port, "/status")
    ]
    assert browser.said == []
    assert (wide, inner) == (width, width)
    assert ground == ("rgb(15, 21, 27)" if dark else "rgb(244, 246, 248)")
    assert _said(found) == []
    assert len(found["passes"]) > 15  # it did look


def test_a_keyboard_comes_to_the_figures_and_sees_where_it_is(
    browser: Chromium, address: str
) -> None:
    browser.look(1280, 900, dark=False)
    browser.open(address)
    browser.press("Tab")
    first = browser.evaluate(
        "[document.activeElement.hash, getComputedStyle(document.activeElement).outlineStyle,"
        " document.activeElement.getBoundingClientRect().left]"
    )
    browser.press("Enter")
    landed = browser.evaluate("[location.hash, document.activeElement.tagName]")

    assert first == ["#figures", "solid", 0]
    assert landed == ["#figures", "MAIN"]


def test_on_paper_all_is_there(browser: Chromium, address: str) -> None:
    browser.look(760, 900, dark=True)  # as wide as A4
    browser.open(address)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        seen = browser.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " document.querySelector('details table').getBoundingClientRect().height > 100,"
            " document.documentElement.scrollWidth]"
        )
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert seen == ["rgb(255, 255, 255)", True, 760]


def _said(found: dict[str, Any]) -> list[str]:
    """What axe found, with the elements, but for what is of no weight."""
    return [
        f"{one['impact']} {one['id']}: {one['help']}; {[n['html'] for n in one['nodes'][:3]]}"
        for one in found["violations"]
        if one["impact"] in ("moderate", "serious", "critical")
    ]
