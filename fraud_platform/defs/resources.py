"""What the assets share: settings and the lake."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings


class Platform(dg.ConfigurableResource):
    """The settings of this process (environment and predictflow.toml) and the lake they name."""

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_dir)


def first_day() -> date:
    """Where the daily partitions start: as set, else the earliest landed day, else 30 days ago."""
    settings = load_settings()
    found = settings.first_day or read_first_day(settings)
    return found or datetime.now(UTC).date() - timedelta(days=30)


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"platform": Platform()},
        # A process a step would pay the imports eight times: minutes, where a day takes seconds.
        executor=dg.in_process_executor,
    )
