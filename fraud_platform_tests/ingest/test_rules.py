"""The rules over columns are the edge's contract, value by value."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraud_platform.clock import to_us
from fraud_platform.contracts.events import amount_cents, timestamp_us
from fraud_platform.ingest.batches import Batch
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.ingest.rules import FIRST_DAY, check

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
cents = st.integers(-10, 100_000_100)
noise = st.sampled_from([0, 1e-12, -1e-12, 1e-9, 9e-9, 1.1e-8, 1e-7, 0.001, 0.005])


def checked(**columns: pl.Series) -> tuple[pl.DataFrame, list[str]]:
    """What is accepted of columns laid over good rows, and why the rest isn't."""
    count = len(next(iter(columns.values())))
    frame = pl.DataFrame({"offset": pl.Series(range(count), dtype=pl.Int64)}).with_columns(
        transaction_id=pl.format("t{}", "offset"),
        timestamp=pl.lit(NOW),
        user_id=pl.lit("u"),
        merchant_id=pl.lit("m"),
        amount=pl.lit(1.0),
    )
    batch = Batch(0, count, frame.with_columns(**columns), lambda _: b"")
    accepted, rejected = check(batch, FieldMap(), to_us(NOW))
    assert accepted.height + len(rejected) == count
    return accepted, [record.reason for record in rejected]


def taken(rule: Callable[..., int], *arguments: object) -> int | str:
    """What the contract makes of a value, or why it refuses it."""
    try:
        return rule(*arguments)
    except ValueError as error:
        return str(error)


def agree(amount: float, column: pl.Series) -> None:
    accepted, reasons = checked(amount=column)
    expected = taken(amount_cents, amount)
    assert [*accepted["amount_cents"], *reasons] == [expected]


@given(st.floats() | st.builds(lambda c, n: c / 100 + n, cents, noise))
@example(1e308)
@example(math.nan)
@example(0.01)
@example(1_000_000.0)
@example(math.nextafter(1_000_000, math.inf))
def test_any_float_is_taken_as_the_contract_takes_it(amount: float):
    agree(amount, pl.Series([amount]))


@given(st.decimals(-10, 1_000_001, places=3) | st.decimals(0, 1, places=9) | cents.map(lambda c: c))
def test_any_decimal_text_is_taken_as_the_contract_takes_it(number: object):
    agree(float(str(number)), pl.Series([str(number)]))


@given(st.integers(1, 99_999_999), st.integers(1, 50))
def test_noise_of_binary_arithmetic_is_no_third_decimal(total: int, parts: int):
    assert amount_cents(total / 100 / parts * parts) == total
    accepted, _ = checked(amount=pl.Series([total / 100 / parts * parts]))
    assert accepted["amount_cents"].to_list() == [total]


def test_five_times_ten_forty_six():
    amount = 5 * 10.46
    assert amount != 52.3
    assert amount_cents(amount) == 5230


@given(st.lists(st.integers(1, 9_999_999), min_size=1, max_size=50))
def test_amounts_of_32_bits_are_those_that_they_were_written_from(values: list[int]):
    """Up to 99,999.99: seven digits are what 32 bits hold."""
    column = pl.Series([value / 100 for value in values], dtype=pl.Float32)
    accepted, reasons = checked(amount=column)
    assert reasons == []
    assert accepted["amount_cents"].to_list() == values


@given(
    st.datetimes(timezones=st.just(UTC))
    | st.integers(-10, 10).map(lambda s: NOW + timedelta(minutes=5, microseconds=s))
    | st.integers(-10, 10).map(
        lambda s: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=s)
    )
)
def test_any_timestamp_is_taken_as_the_contract_takes_it(moment: datetime):
    columns = (
        pl.Series([moment], dtype=pl.Datetime("us", "UTC")),
        pl.Series([moment.isoformat()]),
        pl.Series([moment.replace(tzinfo=None).isoformat(" ")]),
    )
    for column in columns:
        accepted, reasons = checked(timestamp=column)
        # The edge's contract has no first day, the lake has.
        old = f"timestamp is before {FIRST_DAY}" if moment.date() < FIRST_DAY else None
        expected = old or taken(timestamp_us, moment, to_us(NOW))
        ends = [reason.split(" is ")[1] for reason in reasons]  # before it, the time as it stands
        assert [*accepted["timestamp_us"], *ends] == [
            str(expected).split(" is ")[1] if ends else expected
        ]


@pytest.mark.parametrize(
    "text", ["", " 1", "1,5", "1_0", "0x1", "ten", "€5", "1e400", "--1", "1.2.3"]
)
def test_text_that_is_no_amount_is_none(text: str):
    accepted, reasons = checked(amount=pl.Series([text]))
    assert accepted.is_empty()
    assert reasons[0].startswith("amount ")


@given(st.lists(st.text(max_size=70) | st.none(), min_size=1, max_size=20))
def test_an_identifier_has_1_to_64_characters(texts: list[str | None]):
    accepted, reasons = checked(user_id=pl.Series(texts, dtype=pl.String))
    fine = [text for text in texts if text and len(text) <= 64]
    assert accepted["user_id"].to_list() == fine
    assert len(reasons) == len(texts) - len(fine)


def test_no_rows_are_no_rows():
    accepted, reasons = checked(amount=pl.Series(np.array([], dtype=np.float64)))
    assert (accepted.height, reasons) == (0, [])
