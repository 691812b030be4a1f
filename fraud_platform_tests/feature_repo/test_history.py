"""Past transactions' features by Feast are the lake's, to the bit."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.store import apply, opened
from fraud_platform.clock import day_start_us
from fraud_platform.contracts.tables import Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

FIRST, DAYS, PER_DAY = date(2026, 3, 1), 8, 2500
NAMES = list(CATALOGUE.names)
ODD = [-0.0, float("inf"), float("-inf"), 5e-324, None]

# ibis 12, below Feast's DuckDB store, still calls what DuckDB 2 deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table.. is deprecated:DeprecationWarning"
)


def a_day(day: date, seed: int) -> pl.DataFrame:
    """Rows of a day with any numbers; each id is also there on every other day."""
    random = np.random.default_rng(seed)
    start = day_start_us(day)
    values = {name: random.standard_normal(PER_DAY).tolist() for name in NAMES}
    for name in NAMES:
        values[name][: len(ODD)] = ODD
    return pl.DataFrame(
        {
            "event_date": [day] * PER_DAY,
            "transaction_id": [f"t{i}" for i in range(PER_DAY)],
            "timestamp_us": sorted(random.integers(start, start + 86_400_000_000, PER_DAY)),
            "user_id": ["u"] * PER_DAY,
            "merchant_id": ["m"] * PER_DAY,
            "amount_cents": [1] * PER_DAY,
            **values,
        },
        schema_overrides=dict.fromkeys(NAMES, pl.Float64),
    )


@pytest.fixture(scope="module")
def lake_of_days(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Eight days of features: one file of an older catalogue, and a day that was made again."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("a lake of é"))
    lake = Lake(settings.lake_dir)
    older = Table("transaction_features", TRANSACTION_FEATURES.schema.remove(len(NAMES) + 5), ())
    for i in range(DAYS):
        day = FIRST + timedelta(days=i)
        table = older if i == 0 else TRANSACTION_FEATURES
        for seed in (i + 100, i) if i == 3 else (i,):
            lake.replace_days(table, day, day + timedelta(days=1), a_day(day, seed))
    apply(settings)
    return settings


def asked(rows: pl.DataFrame, later: timedelta = timedelta()) -> Any:
    """Feast's entity frame of such transactions, at their own moment or later."""
    import pandas as pd  # noqa: PLC0415

    moments = pd.to_datetime(rows["timestamp_us"].to_numpy(), unit="us", utc=True)
    return pd.DataFrame(
        {"transaction_id": rows["transaction_id"].to_list(), "event_timestamp": moments + later}
    )


def bits(frame: pl.DataFrame) -> pl.DataFrame:
    """The features as bytes, since 0.0 == -0.0 and NaN differs from itself; null stays null."""
    raw = frame.select(
        pl.col(name).cast(pl.Float64).map_batches(lambda c: c.reinterpret(dtype=pl.UInt64))
        for name in NAMES
    )
    return frame.select("transaction_id", "timestamp_us").hstack(raw)


def test_ten_thousand_rows_are_the_lakes(lake_of_days: Settings) -> None:
    lake = Lake(lake_of_days.lake_dir)
    rows = lake.read(TRANSACTION_FEATURES, FIRST, FIRST + timedelta(days=DAYS))
    rows = rows.sample(10_000, seed=1)

    with opened(lake_of_days) as store:
        service = store.get_feature_service("fraud_detector_history")
        found = pl.DataFrame(store.get_historical_features(asked(rows), service).to_arrow())

    assert [name for name in found.columns if name in NAMES] == NAMES
    moment = pl.col("event_timestamp").dt.timestamp("us").alias("timestamp_us")
    order = ["transaction_id", "timestamp_us"]
    assert_frame_equal(bits(found.with_columns(moment).sort(order)), bits(rows.sort(order)))


def test_a_later_moment_has_the_features_of_the_payment(lake_of_days: Settings) -> None:
    rows = a_day(FIRST + timedelta(days=3), 3).sort("timestamp_us").head(3)

    with opened(lake_of_days) as store:
        entities = asked(rows, timedelta(hours=1))
        found = store.get_historical_features(entities, ["transaction_features:amount"]).to_df()
        before = asked(a_day(FIRST, 0).head(1), timedelta(days=-1))
        nothing = store.get_historical_features(before, ["transaction_features:amount"]).to_df()

    assert dict(zip(found["transaction_id"], found["amount"], strict=True)) == dict(
        rows.select("transaction_id", "amount").fill_null(float("nan")).iter_rows()
    )
    assert nothing["amount"].isna().tolist() == [True]


def test_a_lake_without_features_is_told(settings: Settings) -> None:
    apply(settings)

    with (
        opened(settings) as store,
        pytest.raises(PredictFlowError, match=r"table transaction_features has no rows .* first"),
    ):
        store.get_historical_features(
            asked(a_day(FIRST, 0).head(1)), ["transaction_features:amount"]
        )
