"""The online state as of a moment, built from the lake's tiles: what the online store starts from.

Each function gives a frame with a view's rows: its join key, then its fields.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence

import polars as pl

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.declarations import Key
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles
from fraud_platform.features.past import IDENTITY
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import (
    RECENT_US,
    State,
    View,
    hash_field,
    identifier_hash,
    related_fields,
)

_SLICE = 20_000
"""Rows turned into Python's lists at a time."""

_DAY = pl.col("event_date").cast(pl.Int32).cast(pl.Int64)


def recent_rows(catalogue: Catalogue, habits: pl.DataFrame, end_us: int) -> pl.DataFrame:
    """`user_recent` as a stream would have left it at `end_us`: each user's last 72 h before it.

    `habits` are rows of `transaction_habits` that reach so far back.
    """
    moment = pl.col("timestamp_us")
    hashed = {hash_field(other): hash_column(other) for other in catalogue.hashed}
    return (
        habits.filter(moment.is_between(end_us - RECENT_US, end_us, closed="left"))
        .with_columns(transaction_hashes=hash_column("transaction_id"), **hashed)
        .sort("timestamp_us", "transaction_hashes")
        .group_by("user_id", maintain_order=True)
        .agg(
            timestamps_us="timestamp_us",
            amounts_cents="amount_cents",
            transaction_hashes="transaction_hashes",
            **{name: pl.col(name) for name in hashed},
            **{name: pl.col(name).fill_null(float("nan")) for name in catalogue.looked_back},
        )
    )


def daily_rows(
    catalogue: Catalogue, key: Key, tiles: dict[str, pl.DataFrame], as_of_us: int
) -> pl.DataFrame:
    """`user_daily` or `merchant_daily` with the full days before the day that starts at `as_of_us`.

    `tiles` are rows of the tables that the catalogue names, by table, as far back as it looks.
    """
    before = as_of_us // DAY_US > _DAY
    by_day: pl.DataFrame | None = None
    for table in (t for level in (1, 2) if (t := catalogue.event_tiles(key, level))):
        found = tiles[table.name].filter(before).with_columns(day=_DAY)
        merged = found.group_by(key, "day").agg(_reduced(table))
        by_day = (
            merged if by_day is None else by_day.join(merged, [key, "day"], "full", coalesce=True)
        )
    assert by_day is not None
    measures = [m for t in _event_tables(catalogue, key) for m in t.measures]
    rows = _listed(by_day, key, measures, as_of_us)
    for other in catalogue.others(key):
        rows = rows.join(
            _related(
                tiles[f"{key.removesuffix('_id')}_tiles"].filter(before), key, other, as_of_us
            ),
            on=key,
            how="left",
        ).with_columns(pl.col(related_fields(other)).fill_null(pl.lit([], pl.List(pl.Int64))))
    return rows


def label_rows(catalogue: Catalogue, key: Key, tiles: pl.DataFrame, as_of_us: int) -> pl.DataFrame:
    """`merchant_labels` or `user_labels`: what was known before the hour that starts at `as_of_us`.

    `tiles` are rows of the key's hourly label tiles, as far back as the catalogue looks.
    """
    table = catalogue.label_tiles(key)
    assert table is not None
    known = tiles.filter(pl.col("hour_us") < as_of_us).with_columns(day=pl.col("hour_us") // DAY_US)
    measures = [m for m in table.measures if isinstance(m, LabelMeasure)]
    begins = {
        m.after.name: pl.col(m.after.name).max().over(key, "day") for m in measures if m.after
    }
    since = known.with_columns(**{f"begin__{name}": begin for name, begin in begins.items()})
    by_day = since.group_by(key, "day").agg(_of_day(m) for m in measures)
    return _listed(by_day, key, table.measures, as_of_us)


class FrameStates(Mapping[str, State]):
    """The states in a frame of a view's rows, by id; made as they are gone through."""

    def __init__(self, view: View, rows: pl.DataFrame) -> None:
        self._fields = list(view.fields)
        self._rows = rows.select(view.join_key, *self._fields)

    def __len__(self) -> int:
        return self._rows.height

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.to_series(0))

    def __getitem__(self, entity_id: str) -> State:
        for _, state in self._states(self._rows.filter(self._rows.to_series(0) == entity_id)):
            return state
        raise KeyError(entity_id)

    def items(self) -> ItemsView[str, State]:
        return _Items(self)

    def pairs(self) -> Iterator[tuple[str, State]]:
        for part in self._rows.iter_slices(_SLICE):
            yield from self._states(part)

    def _states(self, rows: pl.DataFrame) -> Iterator[tuple[str, State]]:
        # Column by column: a row at a time costs five times as much.
        columns = [column.to_list() for column in rows.get_columns()]
        for entity_id, *values in zip(*columns, strict=True):
            yield entity_id, dict(zip(self._fields, values, strict=True))


class _Items(ItemsView[str, State]):
    """Goes through the frame once, where the inherited one would look each id up."""

    _mapping: FrameStates

    def __iter__(self) -> Iterator[tuple[str, State]]:
        return self._mapping.pairs()


def _event_tables(catalogue: Catalogue, key: Key) -> list[Tiles]:
    return [t for level in (1, 2) if (t := catalogue.event_tiles(key, level))]


def _reduced(table: Tiles) -> list[pl.Expr]:
    return [getattr(pl.col(measure.name), measure.reduce)() for measure in table.measures]


def _of_day(measure: LabelMeasure) -> pl.Expr:
    figure = pl.col(measure.name)
    if measure.after is not None:
        begin = pl.col(f"begin__{measure.after.name}")
        figure = figure.filter(begin.is_null() | (pl.col("hour_us") >= begin - begin % HOUR_US))
    return getattr(figure, measure.reduce)()


def _listed(
    by_day: pl.DataFrame, key: Key, measures: Sequence[Measure | LabelMeasure], as_of_us: int
) -> pl.DataFrame:
    filled = [pl.col(m.name).fill_null(IDENTITY[m.reduce]) for m in measures]
    return (
        by_day.select(key, "day", *filled)
        .sort(key, "day")
        .group_by(key, maintain_order=True)
        .agg(
            pl.lit(as_of_us, pl.Int64).first().alias("as_of_us"),
            pl.col("day").alias("days"),
            *(pl.col(m.name) for m in measures),
        )
    )


def _related(tiles: pl.DataFrame, key: Key, other: str, as_of_us: int) -> pl.DataFrame:
    """Per key the ids that it was seen with, and the days as bits."""
    hashes, seen_on = related_fields(other)
    back = as_of_us // DAY_US - 1 - _DAY
    bits = (pl.lit(2, pl.Int64).pow(back)).cast(pl.Int64)
    return (
        tiles.filter(pl.col(other).is_not_null())
        .select(key, other, bits.alias("bit"))
        .unique()
        .group_by(key, other)
        .agg(pl.col("bit").sum())
        .with_columns(hash_column(other).alias("hash"))
        .sort(key, "hash")
        .group_by(key, maintain_order=True)
        .agg(pl.col("hash").alias(hashes), pl.col("bit").alias(seen_on))
    )


def hash_column(column: str) -> pl.Expr:
    """The `identifier_hash` of a text column; 0 where it is null."""
    return pl.col(column).map_batches(_hash_series, return_dtype=pl.Int64)


def _hash_series(values: pl.Series) -> pl.Series:
    unique = values.unique()
    if unique.len() == values.len():
        return pl.Series(values.name, [identifier_hash(v) for v in values], pl.Int64)
    hashes = [identifier_hash(value) for value in unique]
    # Nulls hash to 0 too; replacing by unique value hashes each identifier once.
    mapped = pl.DataFrame({"value": unique, "hash": hashes}, schema_overrides={"hash": pl.Int64})
    joined = values.to_frame("value").join(
        mapped, on="value", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["hash"]
