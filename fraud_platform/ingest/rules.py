"""The edge's contract applied to a batch of columns: what is accepted, and why the rest isn't."""

from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from fraud_platform.clock import day_start_us
from fraud_platform.contracts.events import (
    CENT_TOLERANCE,
    MAX_AHEAD_US,
    MAX_AMOUNT,
    amount_cents,
)
from fraud_platform.ingest.batches import Batch, Rejected
from fraud_platform.ingest.mapping import REQUIRED, FieldMap, IngestError

_TEXTS = ("transaction_id", "user_id", "merchant_id", "device_id", "source")
_MOMENTS = ("timestamp", "labelled_at")
_FIELDS = (*REQUIRED["transactions"], "device_id", "is_fraud", "labelled_at", "source")
_TRUE, _FALSE = ("1", "1.0", "true", "t", "yes", "y"), ("0", "0.0", "false", "f", "no", "n")
# An older date was lost on the way (0 is 1970), and one such row would open decades of partitions.
FIRST_DAY = date(2000, 1, 1)
_FIRST_US, _LAST_US = day_start_us(FIRST_DAY), day_start_us(date.max)
_FORMATS = ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%:z")


def check(batch: Batch, fields: FieldMap, now_us: int) -> tuple[pl.DataFrame, list[Rejected]]:
    """The accepted rows of a batch, typed, and every rejected record with its reason.

    The frame has `offset`, the identifiers as strings, `timestamp_us`, `labelled_at_us`,
    `amount_cents`, `is_fraud` and `source`; fields that the file hasn't are null. Raises
    IngestError for a column of a type that can't hold its field.
    """
    found = batch.frame
    typed = found.select("offset", *(_typed(found, name) for name in _FIELDS))
    fine = _fine(typed, found, fields, now_us)
    rejected = list(batch.rejected)
    for index in np.flatnonzero(~fine):
        offset = typed["offset"][int(index)]
        reason = _reason(typed.row(int(index), named=True), found, int(index), fields, now_us)
        rejected.append(Rejected(offset, reason, batch.raw(offset)))
    good = typed.filter(pl.Series(fine))
    cents = (pl.col("amount") * 100).round().cast(pl.Int64)
    return (
        good.with_columns(amount_cents=cents).drop("amount"),
        sorted(rejected, key=lambda record: record.offset),
    )


def _typed(found: pl.DataFrame, name: str) -> pl.Expr:
    """The expression that gives a field its type; what can't be read becomes null."""
    out = _out(name)
    if name not in found.columns:
        kind = (
            pl.Int64
            if name in _MOMENTS
            else {"amount": pl.Float64, "is_fraud": pl.Boolean}.get(name, pl.String)
        )
        return pl.lit(None, dtype=kind).alias(out)
    kind, column = found.schema[name], pl.col(name)
    if kind == pl.Null:  # a column without any value has no type either
        kind, column = pl.String(), column.cast(pl.String)
    if name in _MOMENTS:
        return _moment(kind, column, name).alias(out)
    if name == "amount":
        if not (kind.is_numeric() or kind == pl.String):
            raise _mistyped(name, kind, "a number")
        # Through text a short float keeps the decimals that it was written with.
        column = column.cast(pl.String) if kind in (pl.Float16, pl.Float32) else column
        return column.cast(pl.Float64, strict=False).alias(out)
    if name == "is_fraud":
        return _verdict(kind, column).alias(out)
    if not (kind == pl.String or kind.is_integer() or kind == pl.Categorical):
        raise _mistyped(name, kind, "text or whole numbers")
    return column.cast(pl.String).alias(out)


def _moment(kind: pl.DataType, column: pl.Expr, name: str) -> pl.Expr:
    """Microseconds UTC; a time without a zone is taken as UTC (typed NDJSON never is one)."""
    if isinstance(kind, pl.Datetime):
        return column.dt.timestamp("us")
    if kind == pl.String:
        parsed = [
            column.str.to_datetime(text, time_unit="us", time_zone="UTC", strict=False)
            if text.endswith(("+", "z"))
            else column.str.to_datetime(text, time_unit="us", strict=False).dt.replace_time_zone(
                "UTC"
            )
            for text in _FORMATS
        ]
        return pl.coalesce(parsed).dt.timestamp("us")
    raise _mistyped(name, kind, "a timestamp, or text like 2026-03-01T12:00:00Z")


def _verdict(kind: pl.DataType, column: pl.Expr) -> pl.Expr:
    if kind == pl.Boolean:
        return column
    if kind.is_numeric():
        return pl.when(column == 1).then(True).when(column == 0).then(False)
    if kind == pl.String:
        lower = column.str.to_lowercase()
        return pl.when(lower.is_in(_TRUE)).then(True).when(lower.is_in(_FALSE)).then(False)
    raise _mistyped("is_fraud", kind, "true/false or 1/0")


def _mistyped(name: str, kind: pl.DataType, expected: str) -> IngestError:
    return IngestError(
        f"the column for {name} is of type {kind}, expected {expected}; "
        f"convert it, or name another column with --map {name}=COLUMN"
    )


def _fine(typed: pl.DataFrame, found: pl.DataFrame, fields: FieldMap, now_us: int) -> np.ndarray:
    """Which rows hold the contract, as booleans."""
    names = {name: _out(name) for name in _FIELDS}
    rules = [pl.col(names[name]).is_not_null() for name in REQUIRED[fields.kind]]
    # A value that can't be read is not the same as none.
    rules += [
        pl.col(names[name]).is_not_null() | found[name].is_null()
        for name in fields.fields
        if name in found.columns
    ]
    rules += [
        pl.col(name).is_null() | pl.col(name).str.len_chars().is_between(1, 64) for name in _TEXTS
    ]
    rules += [
        pl.col(names[name]).is_null()
        | pl.col(names[name]).is_between(_FIRST_US, _latest(name, now_us))
        for name in _MOMENTS
    ]
    fine = typed.select(pl.all_horizontal(rules).fill_null(value=False)).to_series().to_numpy()
    if fields.kind == "transactions":
        amount = typed["amount"].fill_null(np.nan).to_numpy()
        with np.errstate(invalid="ignore", over="ignore"):
            cents = np.round(amount * 100)
            exact = np.abs(amount * 100 - cents) <= CENT_TOLERANCE
            fine = fine & exact & (cents > 0) & (amount <= MAX_AMOUNT)
    return fine


def _out(name: str) -> str:
    return f"{name}_us" if name in _MOMENTS else name


def _latest(name: str, now_us: int) -> int:
    """A label may become known later than now: when its maturity has passed."""
    return now_us + MAX_AHEAD_US if name == "timestamp" else _LAST_US


def _reason(
    row: dict[str, Any], found: pl.DataFrame, index: int, fields: FieldMap, now_us: int
) -> str:
    values = {n: found[n][index] for n in fields.fields if n in found.columns}
    for name in fields.fields:
        value = values.get(name)
        if row[_out(name)] is None and value is not None:
            return f"{name} {_shown(value)} can't be read"
        if value is None and name in REQUIRED[fields.kind]:
            return f"{name} is missing"
    for name in _TEXTS:
        if row[name] is not None and not 1 <= len(row[name]) <= 64:
            return f"{name} has {len(row[name])} characters, allowed are 1 to 64"
    for name in _MOMENTS:
        us = row[_out(name)]
        if us is not None and us < _FIRST_US:
            return f"{name} {_shown(values[name])} is before {FIRST_DAY}"
        if us is not None and us > _latest(name, now_us):
            ahead = "more than five minutes" if name == "timestamp" else "thousands of years"
            return f"{name} {_shown(values[name])} is {ahead} ahead"
    try:
        amount_cents(row["amount"])
    except ValueError as error:
        return str(error)
    raise AssertionError(f"row {row} was refused without a reason")


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > 100:
        value = f"{value[:100]}…"
    return value.isoformat() if isinstance(value, datetime) else repr(value)
