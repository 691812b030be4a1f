# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""The feature store of this installation: its configuration, and putting the views in place."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.views import entities, feature_views
from fraud_platform.features.state import PROJECT
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


def feast_dir(settings: Settings) -> Path:
    """Where registry, online store and snapshots are."""
    return settings.feast_registry.parent.absolute()


def feature_store(settings: Settings) -> "FeatureStore":
    """Feast's own handle on the store, for whoever reads features through Feast."""
    from feast import FeatureStore, RepoConfig

    feast_dir(settings).mkdir(parents=True, exist_ok=True)
    return FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=str(settings.feast_registry.absolute()),
            online_store={"type": "sqlite", "path": str(settings.online_store.absolute())},
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )
    )


def apply(settings: Settings) -> None:
    """Puts the views into the registry and their tables into the online store.

    Doing it again changes nothing, and keeps what is stored.
    """
    objects = [*entities().values(), *feature_views(feast_dir(settings)).values()]
    with opened(settings) as store, _alone(feast_dir(settings)):
        store.apply(objects)
    with closing(sqlite3.connect(settings.online_store)) as connection:
        # With a write-ahead log the service goes on reading while a batch is written.
        connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def opened(settings: Settings) -> Iterator["FeatureStore"]:
    """The feature store, its SQLite connection closed at the end: Feast has no way to close it."""
    store = feature_store(settings)
    try:
        yield store
    finally:
        online: Any = store.provider.online_store  # pyright: ignore[reportAttributeAccessIssue]
        if online._conn is not None:
            online._conn.close()
            online._conn = None


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keeps two writers from replacing the registry at once: Feast rewrites it in place."""
    with (directory / ".apply.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
