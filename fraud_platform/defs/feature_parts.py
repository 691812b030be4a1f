"""What the assets made of the catalogue share: going through a range part by part."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import dagster as dg
import polars as pl

from fraud_platform import progress
from fraud_platform.features.look_back import LookBack
from fraud_platform.features.measures import Tiles
from fraud_platform.features.tables import look_back_table, tile_table
from fraud_platform.lake.store import Lake


def parts_of(
    context: dg.AssetExecutionContext, parts: Iterable[tuple[date, date]], end: date
) -> Iterator[tuple[date, date]]:
    """The parts of a run's range; says how far it is when each is done."""
    name, total, done = context.asset_key.to_user_string(), 0, 0
    for first, after in parts:
        total = total or (end - first).days
        yield first, after
        done += (after - first).days
        progress.report(name, done, total)


def write_tiles(
    lake: Lake, start: date, end: date, made: Mapping[Tiles, pl.DataFrame]
) -> Counter[str]:
    """Replaces the days of each table of tiles; the rows written, by table."""
    for tiles, frame in made.items():
        table = tile_table(tiles)
        lake.replace_days(table, start, end, frame.select(table.schema.names))
    return Counter({tiles.name: frame.height for tiles, frame in made.items()})


def write_look_backs(
    lake: Lake, start: date, end: date, made: Iterable[tuple[LookBack, pl.DataFrame]]
) -> Counter[str]:
    """Replaces the days of each look-back; the rows written, by table."""
    rows: Counter[str] = Counter()
    for look_back, frame in made:
        table = look_back_table(look_back)
        lake.replace_days(table, start, end, frame.select(table.schema.names))
        rows[table.name] += frame.height
    return rows
