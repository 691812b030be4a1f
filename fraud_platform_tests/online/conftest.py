"""An empty online store of each kind."""

from pathlib import Path

import pytest

from fraud_platform.settings import Settings


@pytest.fixture(params=["sqlite", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty online store; every test that takes them runs on each kind."""
    if request.param == "redis":
        return request.getfixturevalue("valkey").settings(tmp_path)
    return Settings(data_dir=tmp_path)
