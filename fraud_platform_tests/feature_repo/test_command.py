"""Feast's own command works on the repository, and means the same store as the platform."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis

from feature_repo.objects import feast_objects
from feature_repo.store import apply, connection_string, feature_store, opened
from feature_repo.vector import VECTOR
from feature_repo.write import write_view
from fraud_platform.clock import to_us
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.state import PROJECT, VIEWS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.online import open_store
from fraud_platform.settings import Online, Secret, Settings
from fraud_platform_tests.online.rows import as_frame, odd_rows
from fraud_platform_tests.valkey_server import Valkey

CHECKOUT = Path(__file__).parents[2]
REPO = CHECKOUT / "feature_repo"
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
STORE = "feature_repo.offline.LakeOfflineStore"
VIEW_NAMES = {view.name for view in VIEWS} | {"transaction_features"}


def feast(folder: Path, *command: str, **environ: str) -> str:
    """What Feast's command prints, run in a folder that holds the feature repository."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTFLOW_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("feast"), "-c", "feature_repo", *command],
        cwd=folder,
        env=kept | environ | {"PYTHONPATH": str(folder) + os.pathsep + str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a copy of the feature repository."""
    shutil.copytree(REPO, tmp_path / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_command_makes_the_platforms_objects_and_materialises_its_rows(folder: Path) -> None:
    settings = Settings(data_dir=folder / ".predictflow")
    feast(folder, "apply")

    with opened(settings) as store:
        applied = {
            found.name: found
            for found in (
                *store.list_entities(),
                *store.list_feature_views(),
                *store.list_feature_services(),
            )
        }
        (vector,) = store.list_on_demand_feature_views()
    ours = feast_objects(settings.feast_registry.parent, settings.lake_dir)
    # Feast adds the entities of its sources to the view that it keeps.
    assert vector.features == ours.pop(VECTOR).features
    assert applied == ours
    listed = feast(folder, "feature-views", "list")
    assert all(name in listed for name in (*VIEW_NAMES, VECTOR))

    rematerialised(folder, settings)


def test_the_command_retrieves_the_lakes_features(folder: Path) -> None:
    settings = Settings(data_dir=folder / ".predictflow")
    row = {name: i / 4 for i, name in enumerate(CATALOGUE.names)}
    frame = pl.DataFrame(
        {
            "event_date": [AS_OF.date()],
            "transaction_id": ["t"],
            "timestamp_us": [to_us(AS_OF)],
            "user_id": ["u"],
            "merchant_id": ["m"],
            "amount_cents": [1],
            **{name: [value] for name, value in row.items()},
        }
    )
    day = AS_OF.date()
    Lake(settings.lake_dir).replace_days(TRANSACTION_FEATURES, day, day + timedelta(days=1), frame)
    apply(settings)

    asked = json.dumps([{"transaction_id": "t", "event_timestamp": "2024-03-01T00:00:00"}])
    wanted = [part for name in row for part in ("-f", f"transaction_features:{name}")]
    printed = feast(folder, "get-historical-features", "-d", asked, *wanted)

    (found,) = json.loads(printed[printed.index("[") :])
    assert {name: found[name] for name in row} == row


def test_the_command_works_on_redis_with_a_registry_in_sql(folder: Path, valkey: Valkey) -> None:
    registry = f"sqlite:///{folder / 'registry.sqlite'}"
    online = Online(store="redis", redis_url=Secret(valkey.url), registry_url=Secret(registry))
    settings = Settings(data_dir=folder / "data", online=online)
    environ = {
        "PREDICTFLOW_DATA_DIR": str(settings.data_dir),
        "PREDICTFLOW_ONLINE_REGISTRY_URL": registry,
        "FEAST_REDIS": connection_string(online),
    }
    file = ("-f", "feature_repo/feature_store.redis.yaml")
    feast(folder, *file, "apply", **environ)

    with opened(settings) as store:
        assert {v.name for v in store.list_feature_views()} == VIEW_NAMES
    assert not settings.feast_registry.exists()

    rematerialised(folder, settings, *file, **environ)


def rematerialised(folder: Path, settings: Settings, *options: str, **environ: str) -> None:
    """Writes rows, loses them, has Feast's command make them from the snapshots, and compares."""
    rows = {view.name: odd_rows(view) for view in VIEWS}
    for view in VIEWS:
        write_view(settings, view, as_frame(view, rows[view.name]), AS_OF)
    lose_rows(settings)

    feast(folder, *options, "materialize", "2024-02-29T00:00:00", "2024-03-02T00:00:00", **environ)

    with open_store(settings) as store:
        for view in VIEWS:
            expected = [{view.name: state} for state in rows[view.name].values()]
            assert store.read([view], [*rows[view.name]]) == expected


def lose_rows(settings: Settings) -> None:
    if settings.online.store == "redis":
        with redis.Redis.from_url(settings.online.redis_url.reveal()) as client:
            client.flushall()
        return
    with closing(sqlite3.connect(settings.online_store)) as connection, connection:
        for view in VIEWS:
            assert connection.execute(f'DELETE FROM "{view.table}"').rowcount > 0


@pytest.mark.parametrize("file", ["feature_store.yaml", "feature_store.env.yaml"])
def test_the_files_for_the_command_mean_the_store_of_the_settings(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.repo_config import load_repo_config  # noqa: PLC0415

    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path if "env" in file else CHECKOUT / ".predictflow")
    theirs: Any = load_repo_config(REPO, REPO / file)

    assert (REPO / theirs.registry.path).resolve() == settings.feast_registry
    assert (REPO / theirs.online_store.path).resolve() == settings.online_store
    assert (theirs.project, theirs.offline_store.type) == (PROJECT, STORE)
    assert theirs.entity_key_serialization_version == 3


def test_the_file_for_redis_means_the_store_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.repo_config import load_repo_config  # noqa: PLC0415

    online = Online(
        store="redis",
        redis_url=Secret("rediss://me:p,w@redis.example/1"),
        registry_url=Secret(f"sqlite:///{tmp_path / 'registry'}"),
    )
    monkeypatch.setenv("PREDICTFLOW_ONLINE_REGISTRY_URL", online.registry_url.reveal())
    monkeypatch.setenv("FEAST_REDIS", connection_string(online))
    theirs: Any = load_repo_config(REPO, REPO / "feature_store.redis.yaml")
    ours: Any = feature_store(Settings(data_dir=tmp_path, online=online)).config

    assert theirs.online_store == ours.online_store
    assert theirs.registry == ours.registry
    assert (theirs.project, theirs.offline_store.type) == (PROJECT, STORE)
    assert theirs.entity_key_serialization_version == 3
