"""The integers that sums are made of are the same however an engine rounds a logarithm."""

import duckdb
import numpy as np
import pytest

from fraud_platform.contracts.events import MAX_AMOUNT
from fraud_platform.features.columns import INTEGERS, LOG_SCALE, feature_integer, integer_sql
from fraud_platform.features.offline import compute_event_tiles
from fraud_platform_tests.features.every_kind import EVERY_KIND
from fraud_platform_tests.features.histories import START
from fraud_platform_tests.features.lake_of import raw_rows
from fraud_platform_tests.features.oracle import Payment


def test_no_amount_lies_where_a_logarithms_last_bits_could_round_it_either_way() -> None:
    nearest = 1.0
    step = 10_000_000
    for first in range(1, MAX_AMOUNT * 100 + 1, step):
        cents = np.arange(first, first + step, dtype=np.float64)
        rounded = np.log(1.0 + cents / 100.0) * LOG_SCALE + 0.5
        nearest = min(nearest, np.abs(rounded - np.rint(rounded)).min())
    # Two units in the last place of the logarithm, times the scale, and of their product.
    assert nearest > 10 * (2 * np.spacing(14.0) * LOG_SCALE + 2 * np.spacing(14.0 * LOG_SCALE))


@pytest.mark.parametrize("cents", [1, 99, 5230, 100_000_000])
def test_duckdb_and_python_have_the_same_integers(cents: int) -> None:
    payment = Payment(
        transaction_id="t", timestamp_us=1_772_323_200_000_000, user_id="u", merchant_id="m",
        amount_cents=cents,
    )  # fmt: skip
    tiles = EVERY_KIND.event_tiles("user_id", 1)
    assert tiles is not None
    made = compute_event_tiles(tiles, raw_rows([payment]), START, START.replace(day=2)).row(
        0, named=True
    )
    for name, column in (("sum_amount_log", "amount_log"), ("sum_amount_whole", "amount_whole")):
        assert made[name] == INTEGERS[column](payment.timestamp_us, cents)


@pytest.mark.parametrize("value", [0.0, -0.00005, 0.00005, 1e300, -1e300, 12.34565])
@pytest.mark.parametrize("column", ["score", "score__coarse"])
def test_a_features_integer_is_the_sqls(value: float, column: str) -> None:
    assert by_sql(column, f"CAST({value!r} AS DOUBLE)") == feature_integer(column, value)


def test_a_missing_feature_has_no_integer() -> None:
    assert by_sql("score", "CAST(NULL AS DOUBLE)") is None


def by_sql(column: str, value: str) -> int | None:
    with duckdb.connect() as connection:
        query = f"SELECT {integer_sql(column)} FROM (SELECT {value} AS score)"
        ((found,),) = connection.execute(query).fetchall()
        return found
