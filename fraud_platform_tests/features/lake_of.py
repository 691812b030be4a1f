"""A history taken through the SQL, as the assets do it."""

from datetime import date, timedelta

import polars as pl

from fraud_platform.clock import day_of
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.offline import (
    compute_event_tiles,
    compute_features,
    compute_habits,
    compute_label_days,
    compute_label_tiles,
    compute_look_back,
)
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.sql import look_backs
from fraud_platform_tests.features.oracle import Payment, Verdict

Frames = dict[str, pl.DataFrame]


def raw_rows(payments: list[Payment]) -> pl.DataFrame:
    rows = [
        {"event_date": day_of(p.timestamp_us), **{n: getattr(p, n) for n in p.__struct_fields__}}
        for p in payments
    ]
    return _frame(rows, RAW_TRANSACTIONS)


def label_rows(verdicts: list[Verdict]) -> pl.DataFrame:
    rows = [
        {
            "event_date": day_of(v.labelled_at_us),
            "labelled_at_us": v.labelled_at_us,
            "is_fraud": v.is_fraud,
            "label_source": None,
            **{
                n: getattr(v.payment, n)
                for n in (
                    "transaction_id",
                    "timestamp_us",
                    "user_id",
                    "merchant_id",
                    "amount_cents",
                )
            },
        }
        for v in verdicts
    ]
    return _frame(rows, TRANSACTION_LABELS)


def _frame(rows: list[dict], table) -> pl.DataFrame:
    empty = pl.DataFrame(table.schema.empty_table())
    return pl.DataFrame(rows, schema=empty.schema) if rows else empty


def tables(
    catalogue: Catalogue, payments: list[Payment], verdicts: list[Verdict], start: date, days: int
) -> Frames:
    """Every table that the catalogue makes of the days, in one pass."""
    return tables_of(catalogue, raw_rows(payments), label_rows(verdicts), start, days)


def tables_of(
    catalogue: Catalogue, raw: pl.DataFrame, labels: pl.DataFrame, start: date, days: int
) -> Frames:
    """The same from rows of the lake."""
    end = start + timedelta(days=days)
    made: Frames = {"transactions": raw}
    for key in KEYS:
        if tiles := catalogue.event_tiles(key, 1):
            made[tiles.name] = compute_event_tiles(tiles, raw, start, end)
    for found in look_backs(catalogue):
        made[found.name] = compute_look_back(found, raw, made[found.tiles.name], start, end)
    made["transactions"] = compute_habits(catalogue, made, start, end)
    for key in KEYS:
        if tiles := catalogue.event_tiles(key, 2):
            made[tiles.name] = compute_event_tiles(tiles, made["transactions"], start, end)
        if tiles := catalogue.label_tiles(key):
            found = compute_label_tiles(catalogue, tiles, labels, made["transactions"], start, end)
            made[tiles.name] = found
            made[catalogue.label_days(tiles).name] = compute_label_days(catalogue, tiles, found)
    return made


def vectors(catalogue: Catalogue, made: Frames, start: date, days: int) -> dict[str, list[float]]:
    """The SQL's vectors by transaction, a missing value as NaN."""
    frame = compute_features(catalogue, made, start, start + timedelta(days=days))
    return {
        row["transaction_id"]: [float("nan") if row[n] is None else row[n] for n in catalogue.names]
        for row in frame.iter_rows(named=True)
    }
