"""The lake tables that a catalogue makes: tiles, habits and features."""

import pyarrow as pa

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, Table, columns
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.look_back import LookBack
from fraud_platform.features.measures import LabelMeasure, Tiles
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql import look_backs


def tile_table(tiles: Tiles) -> Table:
    """A table of tiles: a row for each day (of labels: hour or day), key and other id."""
    of_labels = isinstance(tiles.measures[0], LabelMeasure)
    keys = (tiles.key, *tiles.others)
    # A label with a maturity counts on a later day than that on which its row is filed.
    moment = ("day" if tiles.name.endswith("_days") else "hour_us",) if of_labels else ()
    return Table(
        tiles.name,
        columns(
            event_date=pa.date32(),
            **dict.fromkeys(keys, pa.string()),
            **dict.fromkeys([*moment, *(measure.name for measure in tiles.measures)], pa.int64()),
        ),
        sort_by=(*keys, *moment),
    )


def look_back_table(look_back: LookBack) -> Table:
    """What the days before say of each user of a day."""
    return Table(
        look_back.name,
        columns(
            event_date=pa.date32(),
            **dict.fromkeys(look_back.ids, pa.string()),
            **dict.fromkeys(look_back.columns, pa.int64()),
        ),
        sort_by=look_back.ids,
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

LOOK_BACK_TABLES = tuple(look_back_table(found) for found in look_backs(CATALOGUE))

TABLES = (TRANSACTION_HABITS, *TILE_TABLES.values(), *LOOK_BACK_TABLES, TRANSACTION_FEATURES)
