"""The Dagster code location: everything under defs/."""

import warnings
from pathlib import Path

import dagster as dg

# The schedule's job runs one day at a time; ranges are backfills of the assets themselves.
warnings.filterwarnings("ignore", "Asset job daily materializes assets with varying", UserWarning)


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
