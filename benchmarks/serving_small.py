"""A service on a small model, with API keys, as a user starts it."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xgboost

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.features.state import VIEWS
from fraud_platform.keys import create_key
from fraud_platform.modelling.bundle import Manifest, write_bundle
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from serving.store_fault import NOTHING_KNOWN


@contextmanager
def running_service(data_dir: Path, workers: int) -> Iterator[tuple[str, str]]:
    """The address of a service in processes of its own, and a key that may do all."""
    settings = Settings(data_dir=data_dir)
    _deploy(settings)
    for view in VIEWS:
        with open_store(settings) as store:
            store.write(view, {f"{view.entity}-1": view.empty}, datetime.now(UTC))
    _, key = create_key(settings.keys_file, "fuzz", ("admin",), rate=1e6)
    environment = {
        "PREDICTFLOW_DATA_DIR": str(data_dir),
        "PREDICTFLOW_SERVING_PORT": "0",
        "PREDICTFLOW_SERVING_WORKERS": str(workers),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "fraud_platform", "serve"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=(data_dir / "log").open("w"),
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert "http://" in ready, (data_dir / "log").read_text()
        yield "http://" + ready.partition("http://")[2].partition(",")[0], key
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _deploy(settings: Settings) -> None:
    rng = random.Random(1)
    now_us = 1_700_000_000_000_000
    events = [
        Event(timestamp_us=now_us, amount_cents=rng.randrange(1, 200_000)) for _ in range(400)
    ]
    rows = np.array([compute_vector(event, NOTHING_KNOWN) for event in events])
    is_fraud = np.array([rng.random() < event.amount_cents / 200_000 for event in events])
    data = xgboost.DMatrix(rows, is_fraud, feature_names=list(FEATURE_NAMES))
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, data, 20)
    file = settings.data_dir / "model.ubj"
    booster.save_model(file)
    today = datetime.now(UTC).date()
    manifest = Manifest(
        model_name="fraud_detector",
        model_version="1",
        partition=today.isoformat(),
        features=list(FEATURE_NAMES),
        threshold=0.4,
        training_window=((today - timedelta(30)).isoformat(), today.isoformat()),
        table_versions={},
        metrics={},
        reference={},
        created_at=datetime.now(UTC).isoformat(),
        run_id="fuzz",
        sha256={},
    )
    bundle = write_bundle(settings.bundles_dir, manifest, file)
    promote(settings.bundles_dir, bundle, By(who="fuzz", why="to be asked"))
