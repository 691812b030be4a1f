"""Online stores with rows of every view, shared by the tests that only read."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from feature_repo.write import write_view
from fraud_platform.features.state import VIEWS, State
from fraud_platform.settings import Settings
from fraud_platform_tests.online.rows import a_state, as_frame, odd_rows
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
    folder = tmp_path_factory.mktemp("data")
    server = Valkey(folder / "valkey") if request.param == "redis" else None
    settings = Settings(data_dir=folder) if server is None else server.settings(folder)
    try:
        for view in VIEWS:
            write_view(settings, view, as_frame(view, rows[view.name]), AS_OF)
        yield settings
    finally:
        if server is not None:
            server.kill()


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of an empty data directory and the file store."""
    return Settings(data_dir=tmp_path_factory.mktemp("empty"))
