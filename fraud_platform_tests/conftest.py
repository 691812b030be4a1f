"""Every test has its own data directory, and no settings of the person who runs it."""

import os
from pathlib import Path

import pytest

# What the assets read when they are imported, once for all tests.
for name in [name for name in os.environ if name.startswith("PREDICTFLOW_")]:
    if not name.startswith("PREDICTFLOW_TEST_"):
        del os.environ[name]
os.environ["PREDICTFLOW_FIRST_DAY"] = "2026-03-01"
os.environ["PREDICTFLOW_RETRY_DELAY_SECONDS"] = "1"
os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of this test's settings."""
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for line in THIRD_PARTY:
            item.add_marker(pytest.mark.filterwarnings(line), append=False)
