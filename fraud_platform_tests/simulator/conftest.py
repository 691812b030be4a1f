import polars as pl
import pytest

from fraud_platform.simulator import SimulatorConfig, simulate

MONTH = SimulatorConfig(days=35, seed=7)


@pytest.fixture(scope="session")
def month() -> pl.DataFrame:
    """Five whole weeks of the default world, with each payment's day and what came before it."""
    device_pair = pl.struct("user_id", "device_id")
    return pl.concat(simulate(MONTH)).with_columns(
        day=(pl.col("timestamp").dt.date() - MONTH.start).dt.total_days(),
        device_new=device_pair.is_first_distinct(),
    )


@pytest.fixture(scope="session")
def honest(month: pl.DataFrame) -> pl.DataFrame:
    return month.filter(~pl.col("is_fraud"))
