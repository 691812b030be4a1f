"""A small simulated world in a lake, and its assets materialised in this process."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from fraud_platform.commands.dagster_run import Ran, run
from fraud_platform.commands.simulate import write
from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform.simulator import SimulatorConfig

WORLD = SimulatorConfig(
    start=date(2026, 3, 1),
    days=34,
    users=60,
    merchants=25,
    transactions_per_day=150,
    fraud_share=0.06,
)
FIRST, LAST = WORLD.start, WORLD.start + timedelta(days=WORLD.days - 1)
TABLES = (
    "raw_transactions",
    "daily_tiles",
    "transaction_habits",
    "transaction_labels",
    "label_tiles",
    "transaction_features",
)
MODEL = ("fraud_model", "evaluation_report", "deployed_model")


def write_world(path: Path) -> Path:
    """The world as one Parquet file with labels."""
    write(WORLD, path)
    return path


def land_files(*paths: Path) -> Lake:
    """Lands files in the lake of the settings as they are now."""
    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lake = Lake(settings.lake_dir)
    for path in paths:
        land(settings, lake, path, FieldMap(), lambda *_: None)
    return lake


def make(
    names: Sequence[str], first: date, last: date, on: dg.DagsterInstance | None = None
) -> Ran:
    """Materialises assets by name for first to last (inclusive) in one run."""
    keys = [dg.AssetKey(name) for name in names]
    if on is not None:
        return run(on, keys, first, last)
    with dg.DagsterInstance.ephemeral() as instance:
        return run(instance, keys, first, last)
