"""Row 20: the last verified bundle serves on with all the rest away, at cold start too."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.local_kafka import free_port
from fraud_platform.modelling.remote_bundles import RemoteBundles
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.s3_server import BUCKET, Proxy, S3Server
from fraud_platform_tests.serving.conftest import store_contexts
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.served import Served
from serving.store_fault import Context

Serve = Callable[[int], Served]
READY_S = 20.0
"""Far more than it takes; that it waits for nothing that is away is what counts."""


@pytest.fixture
def here(s3: S3Server, tmp_path: Path) -> Settings:
    """Where models are promoted."""
    return replace(load_settings(), data_dir=tmp_path / "here")


@pytest.fixture
def there(here: Settings, contexts: dict[str, Context], tmp_path: Path) -> Path:
    """The data directory of a service elsewhere, which has the online store and no bundle."""
    settings = replace(here, data_dir=tmp_path / "there")
    store_contexts(settings, contexts)
    return settings.data_dir


@pytest.fixture
def serve(there: Path, s3: S3Server) -> Iterator[Serve]:
    """Starts services that find S3 at a port, and neither MLflow nor PostgreSQL."""
    started: list[Served] = []
    away = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "PREDICTFLOW_ONLINE_REGISTRY_URL": f"postgresql+psycopg://127.0.0.1:{free_port()}/feast",
    }

    def serve(port: int) -> Served:
        begun = time.monotonic()
        started.append(Served(there, **s3.environment(port), **away))
        assert time.monotonic() - begun < READY_S
        return started[-1]

    yield serve
    for one in started:
        one.kill()


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    proxy = Proxy(s3.port)
    yield proxy
    proxy.close()


def promote(here: Settings, deploy: Deploy, version: str) -> None:
    deploy(here, version)
    RemoteBundles(here.serving.bundles_url).publish(here.bundles_dir)


def test_a_service_that_starts_while_everything_is_away_answers_by_its_last_bundle(
    serve: Serve,
    proxy: Proxy,
    here: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
) -> None:
    promote(here, deploy, "1")
    first = serve(proxy.port)
    assert eventually(lambda: first.health()["model_version"] == "1", 30)
    before = first.ask(transaction)
    assert first.stop() == 0

    proxy.silent = True  # it takes connections, and says nothing
    hung = serve(proxy.port)
    assert ", model 1;" in hung.ready_line
    assert hung.ask(transaction) == before
    found = hung.health()
    assert found["ready"]
    (said,) = found["reasons"]
    assert said.startswith("bundles stay as they are: ")

    promote(here, deploy, "2")
    proxy.speak()
    assert eventually(lambda: hung.ask(transaction)["model_version"] == "2", 30)
    assert eventually(lambda: hung.health()["reasons"] == [], 30)
    assert hung.stop() == 0

    refused = serve(free_port())
    assert ", model 2;" in refused.ready_line
    assert not refused.ask(transaction)["degraded"]
    reasons = refused.health
    assert eventually(lambda: "S3 cannot be reached" in str(reasons()["reasons"]), 30)
    assert refused.health()["ready"]


def test_a_service_goes_on_when_s3_is_killed_and_starts_again_without_it(
    serve: Serve,
    here: Settings,
    deploy: Deploy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transaction: dict[str, object],
) -> None:
    server = S3Server(tmp_path / "s3")
    try:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        assert here.serving.bundles_url.startswith(f"s3://{BUCKET}/")
        promote(here, deploy, "1")
        running = serve(server.port)
        assert eventually(lambda: running.health()["model_version"] == "1", 30)
        before = running.ask(transaction)
    finally:
        server.kill()

    assert eventually(lambda: "S3 cannot be reached" in str(running.health()["reasons"]), 30)
    assert running.ask(transaction) == before
    assert running.samples()["fraud_bundles_looks_total,outcome=away"] >= 1
    assert running.stop() == 0
    again = serve(server.port)
    assert ", model 1;" in again.ready_line
    assert again.ask(transaction) == before
    assert again.health()["ready"]
