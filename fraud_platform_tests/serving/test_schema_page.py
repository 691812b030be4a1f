"""The documentation page in a browser that can reach nothing but this machine."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Client
from fraud_platform_tests.serving.process import Process
from serving.openapi.document import document

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


def test_the_page_asks_for_nothing_that_its_policy_forbids(client: Client) -> None:
    page = client.get("/schema")

    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in page.text.replace("http-equiv", "")
    for name in ("swagger-ui.js", "swagger-ui.css", "page.js", "page.css"):
        assert f'"/schema/page/{name}"' in page.text
        assert client.get(f"/schema/page/{name}").status_code == 200
    assert client.get("/schema/page/other.js").status_code == 404


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH; apt-get install chromium")
def test_the_page_shows_every_operation_without_the_network(
    run: Callable[[Settings], Process], settings: Settings, tmp_path: Path
) -> None:
    assert BROWSER
    process = run(settings)
    net_log = tmp_path / "net.json"
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={net_log}",
            "--window-size=1280,900",
            "--virtual-time-budget=5000",
            "--timeout=60000",
            "--dump-dom",
            f"http://127.0.0.1:{process.port}/schema",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    for path, methods in document()["paths"].items():
        assert f'data-path="{path}"' in done.stdout, done.stderr[-2000:]
        for operation in methods.values():
            assert operation["summary"] in done.stdout
    assert "Authorize" in done.stdout
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []  # a script or a style that the policy stopped would be told there
    asked = _asked(net_log, f"http://127.0.0.1:{process.port}")
    assert {url.partition("/schema")[2] for url in asked} == {
        *("/page/page.css", "/page/page.js", "/page/swagger-ui.css", "/page/swagger-ui.js"),
        "/openapi.json",
    }
    assert {urlsplit(url).port for url in asked} == {process.port}


def _asked(net_log: Path, origin: str) -> set[str]:
    """The addresses that pages of this origin asked for, over HTTP or otherwise.

    The browser asks its maker's servers on its own account, and finds none of them.
    """
    log = json.loads(net_log.read_text())
    started = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [one["params"] for one in log["events"] if one["type"] == started and "params" in one]
    return {one["url"] for one in asked if one.get("initiator") == origin} - {"data:,"}
