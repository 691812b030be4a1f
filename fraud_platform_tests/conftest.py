"""Every test has its own data directory, and no settings of the person who runs it."""

import os
from pathlib import Path

import pytest

# The daily partitions are fixed when the assets are imported, once for all tests.
for name in [name for name in os.environ if name.startswith("PREDICTFLOW_")]:
    if not name.startswith("PREDICTFLOW_TEST_"):
        del os.environ[name]
os.environ["PREDICTFLOW_FIRST_DAY"] = "2026-03-01"
os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of this test's settings."""
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"
