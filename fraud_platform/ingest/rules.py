"""The edge's contract applied to a batch of columns: what is accepted, and why the rest isn't."""

from typing import Any

import numpy as np
import polars as pl

from fraud_platform.clock import from_us
from fraud_platform.contracts.events import CENT_TOLERANCE, MAX_AHEAD_US, MAX_AMOUNT, amount_cents
from fraud_platform.ingest.mapping import REQUIRED, FieldMap, IngestError
from fraud_platform.ingest.readers import Batch, Rejected

_IDENTIFIERS = ("transaction_id", "user_id", "merchant_id", "device_id")
_MOMENTS = ("timestamp", "labelled_at")
_FIELDS = (*REQUIRED["transactions"], "device_id", "is_fraud", "labelled_at", "source")
_TRUE, _FALSE = ("1", "true", "t", "yes"), ("0", "false", "f", "no")
_FORMATS = ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%:z")


def check(batch: Batch, fields: FieldMap, now_us: int) -> tuple[pl.DataFrame, list[Rejected]]:
    """The accepted rows of a batch, typed, and every rejected record with its reason.

    The frame has `offset`, the identifiers as strings, `timestamp_us`, `labelled_at_us`,
    `amount_cents`, `is_fraud` and `source`; fields that the file hasn't are null. Raises
    IngestError for a column of a type that can't hold its field.
    """
    found = batch.frame
    typed = found.select("offset", *(_typed(found, name) for name in _FIELDS))
    fine = _fine(typed, fields, now_us)
    rejected = list(batch.rejected)
    for index in np.flatnonzero(~fine):
        offset = typed["offset"][int(index)]
        reason = _reason(typed.row(int(index), named=True), found, int(index), fields, now_us)
        rejected.append(Rejected(offset, reason, batch.raw(offset)))
    good = typed.filter(pl.Series(fine))
    cents = np.round(good["amount"].to_numpy() * 100) if good.height else np.array([])
    return (
        good.with_columns(pl.Series("amount_cents", cents).cast(pl.Int64)).drop("amount"),
        sorted(rejected, key=lambda record: record.offset),
    )


def _typed(found: pl.DataFrame, name: str) -> pl.Expr:
    """The expression that gives a field its type; what can't be read becomes null."""
    out = f"{name}_us" if name in _MOMENTS else name
    if name not in found.columns:
        kind = (
            pl.Int64
            if name in _MOMENTS
            else {"amount": pl.Float64, "is_fraud": pl.Boolean}.get(name, pl.String)
        )
        return pl.lit(None, dtype=kind).alias(out)
    kind, column = found.schema[name], pl.col(name)
    if name in _MOMENTS:
        return _moment(kind, column, name).alias(out)
    if name == "amount":
        if not (kind.is_numeric() or kind == pl.String):
            raise _mistyped(name, kind, "a number")
        # Through text a 32-bit float keeps the decimals that it was written with.
        column = column.cast(pl.String) if kind == pl.Float32 else column
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


def _fine(typed: pl.DataFrame, fields: FieldMap, now_us: int) -> np.ndarray:
    """Which rows hold the contract, as booleans."""
    required = [f"{n}_us" if n in _MOMENTS else n for n in REQUIRED[fields.kind]]
    rules = [pl.col(name).is_not_null() for name in required]
    rules += [
        pl.col(name).is_null() | pl.col(name).str.len_chars().is_between(1, 64)
        for name in _IDENTIFIERS
    ]
    latest = now_us + MAX_AHEAD_US
    rules.append(pl.col("timestamp_us").is_null() | (pl.col("timestamp_us") <= latest))
    fine = typed.select(pl.all_horizontal(rules).fill_null(value=False)).to_series().to_numpy()
    if fields.kind == "transactions":
        amount = typed["amount"].fill_null(np.nan).to_numpy()
        with np.errstate(invalid="ignore", over="ignore"):
            cents = np.round(amount * 100)
            exact = np.abs(amount * 100 - cents) <= CENT_TOLERANCE
            fine = fine & exact & (cents > 0) & (amount <= MAX_AMOUNT)
    return fine


def _reason(
    row: dict[str, Any], found: pl.DataFrame, index: int, fields: FieldMap, now_us: int
) -> str:
    for name in REQUIRED[fields.kind]:
        if row[f"{name}_us" if name in _MOMENTS else name] is None:
            value = found[name][index]
            return f"{name} is missing" if value is None else f"{name} {value!r} can't be read"
    for name in _IDENTIFIERS:
        if row[name] is not None and not 1 <= len(row[name]) <= 64:
            return f"{name} has {len(row[name])} characters, allowed are 1 to 64"
    if row["timestamp_us"] is not None and row["timestamp_us"] > now_us + MAX_AHEAD_US:
        return (
            f"timestamp {from_us(row['timestamp_us']).isoformat()} is more than five minutes ahead"
        )
    try:
        amount_cents(row["amount"])
    except ValueError as error:
        return str(error)
    raise AssertionError(f"row {row} was refused without a reason")
