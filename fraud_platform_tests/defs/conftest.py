"""One small world for all tests of the assets: landed once, its tables made once, then copied."""

import shutil
from pathlib import Path

import pytest

from fraud_platform.lake.store import Lake
from fraud_platform_tests.world import FIRST, LAST, TABLES, land_files, make, write_world


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
