"""Feast's own page shows the repository, and asks for nothing outside this machine."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from feature_repo.store import apply
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.state import VIEWS
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Settings

CHECKOUT = Path(__file__).parents[2]


def fetched(url: str) -> str:
    with urlopen(url, timeout=20) as answer:
        return answer.read().decode()


@pytest.fixture
def page(settings: Settings) -> Iterator[str]:
    """The address of a running `feast ui`."""
    apply(settings)
    port = free_port()
    file = CHECKOUT / "feature_repo" / "feature_store.env.yaml"
    where = ["-c", str(CHECKOUT / "feature_repo"), "-f", str(file)]
    log = settings.data_dir / "ui.log"
    environ = {
        "PREDICTFLOW_DATA_DIR": str(settings.data_dir),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")]),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("feast"),
                *where,
                *("ui", "--host", "127.0.0.1", "--port", str(port)),
            ],
            env=os.environ | environ,
            stdout=out,
            stderr=out,
        )
    try:
        end = time.monotonic() + 120
        while True:
            try:
                fetched(f"http://127.0.0.1:{port}/")
                break
            except (URLError, ConnectionError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_page_is_served_from_the_package_with_our_views(page: str) -> None:
    index = fetched(f"{page}/")
    parts = re.findall(r'(?:src|href)="([^"]+)"', index)
    assert parts
    assert all(part.startswith("/") and not part.startswith("//") for part in parts)
    assert all(fetched(page + part) for part in parts if part.endswith((".js", ".css")))

    listed = json.loads(fetched(f"{page}/api/v1/feature_views?project=predictflow"))
    views = {view["spec"]["name"]: view["spec"] for view in listed["featureViews"]}
    ours = {view.name for view in VIEWS} | {"transaction_features", "transaction_vector"}
    assert views.keys() == ours
    described = [field["description"] for field in views["transaction_features"]["features"]]
    assert described == [feature.meaning for feature in CATALOGUE]
