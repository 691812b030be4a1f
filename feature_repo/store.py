# ruff: noqa: PLC0415 - Feast takes five seconds to import, so functions import it themselves
"""The feature store of this installation: its configuration, and putting the views in place."""

import fcntl
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_repo.objects import feast_objects
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import PROJECT
from fraud_platform.online.address import ANSWER_S, CONNECT_S, redis_address
from fraud_platform.settings import Online, Settings

if TYPE_CHECKING:
    from feast import FeatureStore


def feast_dir(settings: Settings) -> Path:
    """Where registry, online store and snapshots are."""
    return settings.feast_registry.parent.absolute()


def feature_store(settings: Settings) -> "FeatureStore":
    """Feast's own handle on the store, for whoever reads features through Feast.

    Raises PredictFlowError where the database of the registry cannot be used.
    """
    from feast import FeatureStore, RepoConfig
    from sqlalchemy.exc import SQLAlchemyError

    feast_dir(settings).mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry=_registry(settings),
        online_store=_online_store(settings),
        offline_store={"type": "feature_repo.offline.LakeOfflineStore"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    if not settings.online.registry_url:
        return store
    try:
        _ = store.registry  # connects
    except (ImportError, SQLAlchemyError) as error:
        # Without the URL, which holds a password; a driver's own text names host and database.
        what = str(error).partition("\n")[0]
        raise PredictFlowError(
            f"Feast's registry (setting online.registry_url): {what}; see that its database "
            "answers and that the driver in the URL is installed"
        ) from error
    return store


def connection_string(online: Online) -> str:
    """The address of Redis as Feast takes it: `host:port`, then options with commas between.

    It holds the password.
    """
    from redis.connection import parse_url

    options = dict(parse_url(online.redis_url.reveal()))
    tls = {"ssl": True} if options.pop("connection_class", None) else {}
    options = {n: v for n, v in options.items() if n not in ("host", "port")} | tls
    options = {"socket_connect_timeout": CONNECT_S, "socket_timeout": ANSWER_S} | options
    # Feast splits at commas, then reads each value as JSON.
    texts = [f"{name}={json.dumps(v).replace(',', '\\u002c')}" for name, v in options.items()]
    return ",".join([redis_address(online), *texts])


def apply(settings: Settings, catalogue: Catalogue = CATALOGUE) -> None:
    """Puts entities, views and services into the registry and tables into the online store.

    Doing it again changes nothing, and keeps what is stored.
    """
    found = feast_objects(feast_dir(settings), settings.lake_dir.absolute(), catalogue)
    with opened(settings) as store, _alone(feast_dir(settings)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "On demand feature view is an exp", RuntimeWarning)
        store.apply([*found.values()])


@contextmanager
def opened(settings: Settings) -> Iterator["FeatureStore"]:
    """The feature store, its connections closed at the end: Feast has no way to close them."""
    store = feature_store(settings)
    try:
        yield store
    finally:
        online: Any = store.provider.online_store  # pyright: ignore[reportAttributeAccessIssue]
        for name in ("_conn", "_client"):
            if getattr(online, name, None) is not None:
                getattr(online, name).close()
                setattr(online, name, None)
        for name in ("write_engine", "read_engine"):
            if hasattr(store.registry, name):
                getattr(store.registry, name).dispose()


def _registry(settings: Settings) -> str | dict[str, str]:
    if settings.online.registry_url:
        return {"registry_type": "sql", "path": settings.online.registry_url.reveal()}
    return str(settings.feast_registry.absolute())


def _online_store(settings: Settings) -> dict[str, str | int]:
    online = settings.online
    if online.store == "redis":
        return {
            "type": "redis",
            "connection_string": connection_string(online),
            "key_ttl_seconds": online.redis_ttl_days * 86_400,
        }
    return {"type": "sqlite", "path": str(settings.online_store.absolute())}


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keeps two writers from replacing the registry at once: Feast rewrites it in place."""
    with (directory / ".apply.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
