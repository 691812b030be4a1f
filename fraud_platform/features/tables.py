"""The lake tables that a catalogue makes: tiles, habits and features."""

import pyarrow as pa

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, Table, columns
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.measures import LabelMeasure, Tiles
from fraud_platform.features.plan import Catalogue


def tile_table(tiles: Tiles) -> Table:
    """A table of tiles: a row for each day (of labels: hour), key and other id."""
    hourly = isinstance(tiles.measures[0], LabelMeasure)
    keys = (tiles.key, *tiles.others)
    return Table(
        tiles.name,
        columns(
            event_date=pa.date32(),
            **dict.fromkeys(keys, pa.string()),
            **({"hour_us": pa.int64()} if hourly else {}),
            **{measure.name: pa.int64() for measure in tiles.measures},
        ),
        sort_by=(*keys, *(("hour_us",) if hourly else ())),
    )


def habits_table(catalogue: Catalogue) -> Table:
    """The transactions, each with the features of it that others look back on."""
    looked_back = {name: pa.float64() for name in catalogue.looked_back}
    raw = {field.name: field.type for field in RAW_TRANSACTIONS.schema}
    return Table("transaction_habits", columns(**raw, **looked_back), RAW_TRANSACTIONS.sort_by)


def features_table(catalogue: Catalogue) -> Table:
    """One row per transaction, columns in catalogue order."""
    return Table(
        "transaction_features",
        columns(
            event_date=pa.date32(),
            transaction_id=pa.string(),
            timestamp_us=pa.int64(),
            user_id=pa.string(),
            merchant_id=pa.string(),
            amount_cents=pa.int64(),
            **{name: pa.float64() for name in catalogue.names},
        ),
        sort_by=("timestamp_us", "transaction_id"),
    )


TRANSACTION_HABITS = habits_table(CATALOGUE)
TRANSACTION_FEATURES = features_table(CATALOGUE)
TILE_TABLES = {tiles.name: tile_table(tiles) for tiles in CATALOGUE.tiles}
"""The tables of tiles by name."""

TABLES = (TRANSACTION_HABITS, *TILE_TABLES.values(), TRANSACTION_FEATURES)
