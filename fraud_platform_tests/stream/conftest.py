"""Settings of a stream worker: a topic of its own, and an online store of each kind."""

from datetime import UTC, datetime

import pytest

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.kafka_broker import Topics
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey


def use_redis(server: Valkey, patch: pytest.MonkeyPatch) -> None:
    """Lets the test's settings name this server as the online store."""
    patch.setenv("PREDICTFLOW_ONLINE_STORE", "redis")
    patch.setenv("PREDICTFLOW_ONLINE_REDIS_URL", server.url)


@pytest.fixture
def stream_writes(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream worker writes users' recent events, as a member of a group of this test."""
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "stream")
    monkeypatch.setenv("PREDICTFLOW_STREAM_GROUP", f"stream-{topics.kafka.group}")


@pytest.fixture(params=["sqlite", "redis"])
def each_store(
    request: pytest.FixtureRequest, stream_writes: None, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with an empty online store of each kind."""
    if request.param == "redis":
        use_redis(request.getfixturevalue("valkey"), monkeypatch)
    return load_settings()


@pytest.fixture
def store_of_our_own(
    stream_writes: None, own_valkey: OwnValkeys, monkeypatch: pytest.MonkeyPatch
) -> Valkey:
    """A Valkey that keeps what it was given, which this test may stop and hang."""
    server = own_valkey(appendonly="yes", appendfsync="always")
    use_redis(server, monkeypatch)
    begin(load_settings())
    return server


def begin(settings: Settings) -> None:
    """Writes the view as a rebuild of now does that found nobody but one user."""
    state = {name: [1] if kind == "int64_list" else [1.0] for name, kind in VIEWS[0].fields.items()}
    with open_store(settings) as store:
        store.write(VIEWS[0], {"somebody": state}, datetime.now(UTC))
