"""Names that the service's tests share; the fixtures are in conftest.py."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from fraud_platform.features.state import VIEWS
from fraud_platform.modelling.shadow import point_shadow_at
from fraud_platform.settings import Settings
from serving.store_fault import Context

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
"""The moment of the tests' transactions and rows: past, whatever the machine's clock says."""

Client = TestClient[Litestar]
Deploy = Callable[..., Path]
Start = Callable[..., AbstractContextManager[Client]]

GOOD = {"transaction_id": "t", "user_id": "u", "merchant_id": "m", "amount": 1.5}
JSON = {"content-type": "application/json"}


def paired(contexts: Mapping[str, Context], user: str, merchant: str) -> Context:
    """The state of user-`user` and merchant-`merchant`."""
    of = {"user": contexts[user], "merchant": contexts[merchant]}
    return {view.name: of[view.entity][view.name] for view in VIEWS}


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def with_field(name: str, raw: str) -> bytes:
    """A good body with one field's JSON text replaced."""
    fields = {key: json.dumps(value) for key, value in GOOD.items()} | {name: raw}
    return ("{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}").encode()


def problem(client: Client, body: bytes, status: int = 400) -> dict[str, Any]:
    """The problem that a body is answered with, its form checked."""
    answer = client.post("/predict", content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert found["type"]
    assert found["title"]
    assert found["detail"]
    assert "Traceback" not in answer.text
    return found


def samples(client: Client) -> dict[str, float]:
    """Prometheus' samples by name and labels, read by Prometheus' own parser."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def shadows(client: Client) -> dict:
    """What /model says of the shadow."""
    return client.get("/model").json()["shadow"]


def shadow_version(client: Client) -> str | None:
    """The version in the shadow."""
    model = shadows(client)["model"]
    return None if model is None else model["model_version"]


def put_in_shadow(settings: Settings, deploy: Deploy, **said: object) -> Path:
    """Puts model 2 into the shadow; returns its bundle."""
    bundle = deploy(settings, "2", live=False, **said)
    point_shadow_at(settings.bundles_dir, bundle)
    return bundle
