"""Real parts for the service's tests: online stores with rows, trained models, bundles, apps."""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from litestar.testing import TestClient

from fraud_platform.clock import DAY_US, HOUR_US, to_us
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.features.state import VIEWS, State, View, identifier_hash
from fraud_platform.modelling.bundle import Manifest, write_bundle
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.online import open_store
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.parts import NOW, Client, Deploy, Start
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.valkey_server import Valkey
from serving.app import create_app
from serving.store_fault import Context

NOW_US = to_us(NOW)


def a_context(rng: random.Random) -> Context:
    """The state of some user and merchant shortly before NOW."""
    return {view.name: _a_state(view, rng) for view in VIEWS}


def _a_state(view: View, rng: random.Random) -> State:
    count = rng.randrange(1, 12)
    times = sorted(NOW_US - rng.randrange(1, 3 * DAY_US) for _ in range(count))
    known: dict[str, Any] = {
        "as_of_us": NOW_US - NOW_US % HOUR_US,
        "timestamps_us": times,
        "days": [NOW_US // DAY_US - count + i for i in range(count)],
        "last_us": times,
        "device_hashes": [identifier_hash(f"device-{rng.randrange(3)}") for _ in times],
    }
    state: dict[str, Any] = {}
    for name, kind in view.fields.items():
        drawn = [rng.randrange(100, 100_000) for _ in times]
        floats = [value / 100 for value in drawn]
        state[name] = known.get(name, floats if kind == "float64_list" else drawn)
    return state


def store_contexts(settings: Settings, contexts: dict[str, Context]) -> None:
    """Writes the states of user-n and merchant-n for each n."""
    for view in VIEWS:
        rows = {f"{view.entity}-{n}": context[view.name] for n, context in contexts.items()}
        with open_store(settings) as store:
            store.write(view, rows, NOW)


@pytest.fixture(scope="session")
def contexts() -> dict[str, Context]:
    """The state by number: user-n and merchant-n; some ids are odd on purpose."""
    rng = random.Random(7)
    return {str(n): a_context(rng) for n in [*range(20), "é😀", "用户", "nul\x00", "'\""]}


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, contexts: dict[str, Context]) -> Settings:
    """Settings of a data directory with `contexts` in its online store; for reading only."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("stored"))
    store_contexts(settings, contexts)
    return settings


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models by version, trained on a few hundred generated rows."""
    rng = random.Random(1)
    rows, labels = [], []
    for _ in range(400):
        event = Event(timestamp_us=NOW_US, amount_cents=rng.randrange(1, 200_000))
        rows.append(compute_vector(event, a_context(rng)))
        labels.append(int(rng.random() < event.amount_cents / 200_000))
    data = xgboost.DMatrix(np.array(rows), np.array(labels), feature_names=list(FEATURE_NAMES))
    folder = tmp_path_factory.mktemp("models")
    files = {}
    for version, depth in (("1", 3), ("2", 5)):
        options = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1}
        files[version] = folder / f"{version}.ubj"
        xgboost.train(options, data, num_boost_round=20).save_model(files[version])
    return files


@pytest.fixture(scope="session")
def deploy(models: dict[str, Path]) -> Deploy:
    """Writes a model's bundle for some settings and makes it the champion; returns the bundle."""

    def deploy(
        settings: Settings, version: str = "1", live: bool = True, **changes: object
    ) -> Path:
        said: dict[str, Any] = {
            "model_name": "fraud_detector",
            "model_version": version,
            "partition": "2024-02-29",
            "features": list(FEATURE_NAMES),
            "threshold": 0.4,
            "training_window": ("2024-01-01", "2024-01-30"),
            "table_versions": {},
            "metrics": {},
            "reference": {},
            "created_at": "2024-03-01T00:00:00Z",
            "run_id": "test",
            "sha256": {},
        }
        said |= changes
        manifest = Manifest(**said)
        bundle = write_bundle(settings.bundles_dir, manifest, models[version])
        if live:
            promote(
                settings.bundles_dir, bundle, By(who="test", why="deployed"), even_if_older=True
            )
        return bundle

    return deploy


@pytest.fixture
def settings(tmp_path: Path, stored: Settings) -> Settings:
    """Settings of a data directory of the test's own, with a copy of the online store."""
    shutil.copytree(stored.online_store.parent, tmp_path / "feast")
    return Settings(data_dir=tmp_path, serving=Serving(poll_seconds=0.05, repeat_seconds=0))


@pytest.fixture
def in_redis(valkey: Valkey, tmp_path: Path, contexts: dict[str, Context]) -> Settings:
    """Settings of a data directory of the test's own, its online store in Redis."""
    serving = Serving(poll_seconds=0.05, repeat_seconds=0)
    settings = Settings(data_dir=tmp_path, serving=serving, online=valkey.online())
    store_contexts(settings, contexts)
    return settings


@pytest.fixture(scope="session")
def start() -> Start:
    """Runs the app of some settings; its deadline is long, so that a busy machine fails no test."""

    @contextmanager
    def start(settings: Settings, deadline_s: float = 5.0) -> Iterator[Client]:
        with TestClient(create_app(settings, deadline_s)) as client:
            yield client

    return start


@pytest.fixture(scope="session")
def client(stored: Settings, deploy: Deploy, start: Start) -> Iterator[Client]:
    """An app with model 1 and the stored rows, shared by the tests that only ask."""
    deploy(stored)
    with start(stored) as client:
        yield client


@pytest.fixture
def transaction() -> dict[str, object]:
    """A good request."""
    return {
        "transaction_id": "tx-1",
        "timestamp": NOW.isoformat(),
        "user_id": "user-3",
        "merchant_id": "merchant-4",
        "device_id": "device-1",
        "amount": 129.9,
    }


@pytest.fixture
def run() -> Iterator[Callable[..., Process]]:
    """Starts processes of the service; each is ended by its own id."""
    processes: list[Process] = []

    def run(settings: Settings, port: int = 0) -> Process:
        processes.append(Process(settings, port))
        return processes[-1]

    yield run
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.stop()
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()
