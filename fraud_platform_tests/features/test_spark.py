"""The SQL runs unchanged on Spark and gives the same bits."""

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.offline import compute_features
from fraud_platform.features.sql_steps import statements
from fraud_platform.simulator import SimulatorConfig, simulate
from fraud_platform_tests.features.lake_of import tables_of
from fraud_platform_tests.kafka_broker import lacking

START, DAYS = date(2026, 3, 1), 20
END = START + timedelta(days=DAYS)
WORLD = SimulatorConfig(start=START, days=DAYS, transactions_per_day=10_000, users=4_000)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if importlib.util.find_spec("pyspark") is None:
        lacking("PySpark isn't installed; make spark installs it")
    if shutil.which("java") is None:
        lacking("Spark needs Java, and there is none")
    from pyspark import sql  # noqa: PLC0415 # pyright: ignore[reportMissingImports]

    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    """200,000 transactions and their labels, as rows of the lake."""
    frame = pl.concat(list(simulate(WORLD)))
    us = pl.col("timestamp").dt.timestamp("us")
    rows = frame.with_columns(
        timestamp_us=us,
        event_date=pl.col("timestamp").dt.date(),
        amount_cents=(pl.col("amount") * 100).round().cast(pl.Int64),
    )
    labels = rows.with_columns(
        # Frauds are told sooner than the rest is settled.
        labelled_at_us=us + pl.when("is_fraud").then(2 * DAY_US).otherwise(7 * DAY_US),
        event_date=pl.col("event_date")
        + pl.duration(days=pl.when("is_fraud").then(2).otherwise(7)),
        label_source=pl.lit(None, pl.String),
    ).filter(pl.col("event_date") < END)
    return (
        rows.select(RAW_TRANSACTIONS.schema.names),
        labels.select(TRANSACTION_LABELS.schema.names),
    )


class OnSpark:
    """Runs the catalogue's statements one after the other, each on what the last ones gave."""

    def __init__(self, session: Any, folder: Path) -> None:
        self._session, self._folder = session, folder
        begin, end = day_start_us(START), day_start_us(END)
        asked = f"SELECT CAST({begin} AS BIGINT) AS start_us, CAST({end} AS BIGINT) AS end_us"
        session.sql(asked).createOrReplaceTempView("asked")

    def put(self, name: str, rows: pl.DataFrame) -> None:
        path = self._folder / f"{name}.parquet"
        rows.write_parquet(path)
        self._session.read.parquet(str(path)).createOrReplaceTempView(name)

    def run(self, name: str, statement: str) -> pl.DataFrame:
        path = self._folder / f"made_{name}"
        self._session.sql(statement).write.parquet(str(path))
        self._session.read.parquet(str(path)).createOrReplaceTempView(name)
        return pl.read_parquet(path / "*.parquet")


def test_spark_gives_duckdbs_bits(
    spark: Any, world: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    raw, labels = world
    assert raw.height > 190_000
    engine = OnSpark(spark, tmp_path)
    engine.put("transactions", raw)
    engine.put("labels", labels)
    made_by_spark = {
        # Whoever comes after reads the habits as the transactions.
        one.table: engine.run(
            "transactions" if one.table == "transaction_habits" else one.table, one.sql
        )
        for one in statements(CATALOGUE)
    }
    on_spark = made_by_spark["transaction_features"]

    made = tables_of(CATALOGUE, raw, labels, START, DAYS)
    on_duckdb = compute_features(CATALOGUE, made, START, END)
    order = ["timestamp_us", "transaction_id"]
    assert on_spark.height == on_duckdb.height == raw.height
    left, right = on_spark.sort(order), on_duckdb.sort(order)
    differing = {
        name: int((as_bits(left[name]) != as_bits(right[name])).sum()) for name in CATALOGUE.names
    }
    assert {name: n for name, n in differing.items() if n} == {}


def as_bits(values: pl.Series) -> pl.Series:
    """Floats as the integers with the same bits; a missing one is told by a value of its own."""
    return pl.Series(values.fill_null(float("inf")).to_numpy().view("int64"))
