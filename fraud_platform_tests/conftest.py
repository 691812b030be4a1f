"""Every test has its own data directory, and no settings of the person who runs it.

A small world is landed and made once, and copied for the tests that want it.
"""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from fraud_platform.lake.store import Lake
from fraud_platform.registry import Registry
from fraud_platform.settings import Settings

# What the assets read when they are imported, once for all tests.
for name in [name for name in os.environ if name.startswith("PREDICTFLOW_")]:
    if not name.startswith("PREDICTFLOW_TEST_"):
        del os.environ[name]
os.environ["PREDICTFLOW_FIRST_DAY"] = "2026-03-01"
os.environ["PREDICTFLOW_RETRY_DELAY_SECONDS"] = "1"
os.environ.pop("DAGSTER_HOME", None)

with warnings.catch_warnings():
    # kafka-python 3.0.12 reads its schemas in a way that Python 3.12 deprecates and 3.13 does not.
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    import kafka  # noqa: F401
# Before Feast, see below.
import prometheus_client  # noqa: E402, F401

from fraud_platform_tests.followers import Follower  # noqa: E402 - reads the settings
from fraud_platform_tests.kafka_broker import (  # noqa: E402 - reads the settings
    OwnBrokers,
    Topics,
    new_topics,
    running_broker,
)
from fraud_platform_tests.s3_server import BUCKET, S3Server  # noqa: E402 - as above
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey  # noqa: E402 - as above
from fraud_platform_tests.world import (  # noqa: E402 - reads the settings
    FIRST,
    LAST,
    TABLES,
    land_files,
    make,
    write_world,
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Feast sets, where it is imported, what makes prometheus_client count over several processes.

    In production no process has both. It goes before any fixture, whatever its scope.
    """
    for name in ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of this test's settings."""
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def no_followers_left() -> Iterator[None]:
    """Ends the processes that a failed test didn't come to end."""
    yield
    while Follower.started:
        follower = Follower.started.pop()
        if follower.process.poll() is None:
            follower.kill()


# What libraries deprecate of each other; each line goes when its library has moved on. As marks,
# because `-W error` would win over the configuration.
THIRD_PARTY = (
    # Dagster 1.13 under pydantic 2.14 and Python 3.12.
    "ignore:The `__fields__` attribute is deprecated:DeprecationWarning:dagster_shared",
    "ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning:dagster",
    "ignore:Asset job daily materializes assets with varying:UserWarning",
    "ignore:.*`backfill_policy`",
    "ignore:Parameter `include_sources`",
    # MLflow 3.17 under SQLAlchemy 2.1.
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning:mlflow",
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",
)


LONG = (
    "commands/test_demo.py",
    "defs/test_tables.py",
    "defs/test_model.py",
    "faults/test_late_events_daemon.py",
    "dagster_ui/test_backfill.py",
    "features/test_bits.py",
    "defs/test_deployed_model.py",
    "faults/test_training_killed.py",
    "faults/test_stream_faults.py",
    "feature_repo/test_command.py",
    "faults/test_zombie_run.py",
    "features/test_spark.py",
)
"""Files that take over 40 s. They begin first, so that at the end no worker has one left alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))
    for item in items:
        for line in THIRD_PARTY:
            item.add_marker(pytest.mark.filterwarnings(line), append=False)


@pytest.fixture(scope="session")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "world.parquet")


@pytest.fixture(scope="session")
def made_world(world_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the world's tables made; only ever copied."""
    directory = tmp_path_factory.mktemp("made") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREDICTFLOW_DATA_DIR", str(directory))
        land_files(world_file)
        make(TABLES, FIRST, LAST)
    return directory


@pytest.fixture
def landed(world_file: Path) -> Lake:
    """A lake of this test with the world landed and nothing made of it."""
    return land_files(world_file)


@pytest.fixture
def tables(made_world: Path, data_dir: Path) -> Lake:
    """A lake of this test with the world's tables made."""
    shutil.copytree(made_world, data_dir)
    return Lake(data_dir / "lake")


@pytest.fixture(scope="session")
def empty_tracking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with nothing in it, which takes seconds to make."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("tracking"))
    Registry(settings).client().search_experiments()
    return settings.tracking_db


@pytest.fixture
def tracking(empty_tracking: Path, data_dir: Path) -> Path:
    """MLflow's database of this test, with nothing in it yet."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(empty_tracking, data_dir))


@pytest.fixture
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training settings that fit the small world."""
    for name, value in {
        "WINDOW_DAYS": 20,
        "VALIDATION_DAYS": 4,
        "TEST_DAYS": 6,
        "TREES": 20,
    }.items():
        monkeypatch.setenv(f"PREDICTFLOW_TRAINING_{name}", str(value))


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running broker, host:port."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def topics(
    kafka_broker: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Topics:
    """Two topics of this test in its settings; their partitions by indirect parameters, else 3."""
    return new_topics(kafka_broker, monkeypatch, getattr(request, "param", 3))


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBrokers]:
    """Starts brokers that this test may stop, kill and configure."""
    brokers = OwnBrokers(tmp_path)
    try:
        yield brokers
    finally:
        brokers.end()


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A running Valkey with nothing in it, shared by the tests; none may stop it."""
    shared_valkey.flush()
    return shared_valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkeys]:
    """Starts Valkeys that this test may stop, kill and configure."""
    servers = OwnValkeys(tmp_path)
    try:
        yield servers
    finally:
        servers.end()


@pytest.fixture(scope="session")
def shared_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def s3(shared_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A running S3 server, shared by the tests; this test's bundles have a place of their own."""
    for name, value in shared_s3.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREDICTFLOW_SERVING_BUNDLES_URL", f"s3://{BUCKET}/{uuid4().hex}")
    return shared_s3
