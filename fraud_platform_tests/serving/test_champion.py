"""A new champion goes into service by itself; one that must not answer leaves the old one there."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fraud_platform.modelling.bundle import MODEL
from fraud_platform.modelling.promotion_log import LOG, Entry, append
from fraud_platform.modelling.promotions import next_number
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Client, Deploy, Start, eventually, samples
from serving import watcher


@dataclass
class Running:
    """An app that runs, and what it says of itself."""

    client: Client
    transaction: dict[str, object]

    def version(self) -> str:
        """The version that answers."""
        answer = self.client.post("/predict", json=self.transaction)
        assert answer.status_code == 200
        return answer.json()["model_version"]

    def ready(self) -> dict:
        """What /health/ready says."""
        return self.client.get("/health/ready").json()

    def refused(self) -> float:
        """How many bundles were refused."""
        lines = self.client.get("/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith("fraud_bundles_refused_total ")]
        return float(line.split()[1])


@pytest.fixture
def serve(start: Start, settings: Settings, transaction: dict[str, object]):
    """Starts the app on the test's own settings."""
    clients = []

    def serve() -> Running:
        clients.append(start(settings))
        return Running(clients[-1].__enter__(), transaction)

    yield serve
    for client in clients:
        client.__exit__(None, None, None)


def corrupt(bundle: Path) -> None:
    """Flips a bit in the middle of a bundle's model."""
    raw = bytearray((bundle / MODEL).read_bytes())
    raw[len(raw) // 2] ^= 1
    (bundle / MODEL).write_bytes(raw)


def point_at(settings: Settings, bundle: str) -> None:
    """Makes a bundle the live one as `promote` does, without its checks."""
    entry = Entry(
        number=next_number(settings.bundles_dir),
        action="promote",
        bundle=bundle,
        model_version="9",
        partition="2024-02-29",
        sha256="",
        from_bundle=None,
        from_version=None,
        who="test",
        at="2024-03-01T00:00:00+00:00",
        why="to see it refused",
    )
    assert append(settings.bundles_dir, entry)


def test_a_new_bundle_answers_without_a_restart(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    deploy(settings, "1")
    running = serve()
    assert running.version() == "1"

    deploy(settings, "2")
    assert eventually(lambda: running.version() == "2")
    assert 'fraud_model_info{model_name="fraud_detector",model_version="2"' in (
        running.client.get("/metrics").text
    )

    deploy(settings, "1")
    assert eventually(lambda: running.version() == "1")
    assert running.refused() == 0


def test_a_corrupted_bundle_is_refused_once_while_the_old_one_answers(
    serve: Callable[[], Running],
    settings: Settings,
    deploy: Deploy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    deploy(settings, "1")
    running = serve()
    broken = deploy(settings, "2", live=False)
    corrupt(broken)

    point_at(settings, broken.name)

    assert eventually(lambda: running.refused() == 1)
    time.sleep(0.3)  # several looks further on
    assert running.refused() == 1
    assert [r.message for r in caplog.records].count("bundle_refused") == 1
    assert running.version() == "1"
    ready = running.ready()
    assert ready["ready"]
    assert ready["model_version"] == "1"
    assert "has sha256" in ready["reasons"][0]


def test_a_refused_bundle_is_taken_up_once_it_is_mended(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy, models: dict[str, Path]
) -> None:
    deploy(settings, "1")
    running = serve()
    broken = deploy(settings, "2", live=False)
    corrupt(broken)
    point_at(settings, broken.name)
    assert eventually(lambda: running.refused() == 1)

    (broken / MODEL).write_bytes(models["2"].read_bytes())

    assert eventually(lambda: running.version() == "2")
    assert running.ready()["reasons"] == []


def test_a_pointer_to_nothing_and_one_out_of_the_folder_are_refused(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    deploy(settings, "1")
    running = serve()

    for count, name in enumerate(["2024-03-01-v9-gone", "../../etc", "", "\x00"], start=1):
        point_at(settings, name)
        assert eventually(lambda count=count: running.refused() == count)

    assert running.version() == "1"


def test_a_champion_that_is_taken_away_leaves_the_model_in_service(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    deploy(settings, "1")
    running = serve()

    shutil.rmtree(settings.bundles_dir / LOG)
    time.sleep(0.2)

    assert running.version() == "1"
    assert running.refused() == 0


def test_without_a_model_the_answer_is_503_and_says_how_to_mend_it(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    running = serve()

    answer = running.client.post("/predict", json=running.transaction)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["type"] == "urn:predictflow:problem:no-model"
    assert "deployed_model" in answer.json()["detail"]
    # What is wrong with the request itself is said first: it is nothing to try again with.
    assert running.client.post("/predict", json={"amount": -1}).status_code == 400
    ready = running.client.get("/health/ready")
    assert ready.status_code == 503
    assert not ready.json()["ready"]
    assert "no model is in service" in ready.json()["reasons"][0]
    assert running.client.get("/health/live").status_code == 200
    # Of what was asked for a decision, and rightly.
    assert samples(running.client)["fraud_requests_failed_total,status=503"] == 1

    deploy(settings, "1")
    assert eventually(lambda: running.ready()["ready"])
    assert running.version() == "1"


def test_a_start_on_a_broken_bundle_answers_by_the_last_good_one(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    deploy(settings, "1")
    corrupt(broken := deploy(settings, "2"))
    running = serve()
    assert running.version() == "1"
    found = running.ready()
    assert found["ready"]
    assert broken.name in found["reasons"][0]
    deploy(settings, "2")  # mends it
    assert eventually(lambda: running.version() == "2")


def test_a_broken_bundle_at_the_start_is_503_until_a_good_one_comes(
    serve: Callable[[], Running], settings: Settings, deploy: Deploy
) -> None:
    corrupt(deploy(settings, "1"))
    running = serve()

    answer = running.client.post("/predict", json=running.transaction)
    assert answer.status_code == 503
    assert "refused" in answer.json()["detail"]
    assert str(settings.bundles_dir) not in answer.text
    assert "has sha256" in str(running.ready()["reasons"])

    deploy(settings, "2")
    assert eventually(lambda: running.ready()["ready"])


def test_a_disk_that_hangs_leaves_the_model_in_service(
    serve: Callable[[], Running],
    settings: Settings,
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "LOAD_DEADLINE_S", 0.5)
    deploy(settings, "1")
    running = serve()
    bundle = deploy(settings, "2", live=False)
    raw = (bundle / MODEL).read_bytes()
    (bundle / MODEL).unlink()
    os.mkfifo(bundle / MODEL)

    point_at(settings, bundle.name)

    assert eventually(lambda: "did not answer" in str(running.ready()["reasons"]))
    assert running.version() == "1"
    pipe = os.open(bundle / MODEL, os.O_WRONLY | os.O_NONBLOCK)
    (bundle / MODEL).unlink()
    os.close(pipe)
    (bundle / MODEL).write_bytes(raw)
    assert eventually(lambda: running.version() == "2")
