"""Online stores with rows of every view, shared by the tests that only read."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from feature_repo.write import write_view
from fraud_platform.features.state import VIEWS, State
from fraud_platform.settings import Settings
from fraud_platform_tests.feature_repo.frames import frame_of
from fraud_platform_tests.online.rows import a_state, odd_rows
from fraud_platform_tests.valkey_server import Valkey

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def rows() -> dict[str, dict[str, State]]:
    """What each view holds, by entity id."""
    return {view.name: odd_rows(view) | {"plain": a_state(view, 5)} for view in VIEWS}


@pytest.fixture(scope="session", params=["sqlite", "redis"])
def written(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[str, dict[str, State]],
) -> Iterator[Settings]:
    """Settings of a data directory whose online store holds `rows`; there is one of each kind."""
    settings, server = Settings(data_dir=tmp_path_factory.mktemp("data")), None
    if request.param == "redis":
        server = Valkey(tmp_path_factory.mktemp("valkey"))
        settings = server.settings(settings.data_dir)
    for view in VIEWS:
        write_view(settings, view, frame_of(view, rows[view.name]), AS_OF)
    yield settings
    if server is not None:
        server.kill()


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of an empty data directory and the file store."""
    return Settings(data_dir=tmp_path_factory.mktemp("empty"))
