"""Rows of the lake's tables, with what a test doesn't speak of filled in."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from fraud_platform.clock import day_of, day_start_us
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, Table

D1 = date(2026, 3, 1)
D2, D3, D4 = (D1 + timedelta(days=i) for i in (1, 2, 3))


def rows_of(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A frame of a table's columns and types; what a row doesn't name is null."""
    names = table.schema.names
    filled = [{name: row.get(name) for name in names} for row in rows]
    empty = pl.DataFrame(table.schema.empty_table())
    return pl.DataFrame(filled, schema=empty.schema)


def payment(
    transaction_id: str, day: date, amount_cents: int = 100, at_us: int = 0
) -> dict[str, Any]:
    return {
        "event_date": day,
        "transaction_id": transaction_id,
        "timestamp_us": day_start_us(day) + at_us,
        "user_id": "u",
        "merchant_id": "m",
        "amount_cents": amount_cents,
    }


def payments(day: date, count: int, amount_cents: int = 100) -> pl.DataFrame:
    """So many rows of raw_transactions of a day, latest first."""
    rows = [payment(f"t{i}", day, amount_cents, at_us=i) for i in reversed(range(count))]
    return rows_of(RAW_TRANSACTIONS, rows)


def label(transaction_id: str, known_us: int, *, is_fraud: bool, **more: Any) -> dict[str, Any]:
    return {
        "event_date": day_of(known_us),
        "transaction_id": transaction_id,
        "labelled_at_us": known_us,
        "is_fraud": is_fraud,
        **more,
    }


def landed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return rows_of(LANDED_EVENTS, rows)
