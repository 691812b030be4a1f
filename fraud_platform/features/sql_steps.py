"""The statements that make the catalogue's tables, in the order they run, for a reader."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from fraud_platform.features.measures import Tiles
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.sql import (
    event_tiles_sql,
    features_sql,
    habits_sql,
    label_days_sql,
    label_tiles_sql,
    look_back_sql,
    look_backs,
)
from fraud_platform.features.tables import features_table, habits_table

Step = Literal["tiles", "habits", "labels", "features"]
STEPS: tuple[Step, ...] = get_args(Step)

_READ = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)(?:\s*,\s*(\w+))?")
_ASKED = "asked: one row, start_us and end_us, the whole days that are made"


@dataclass(frozen=True)
class Statement:
    """A statement: its step, the lake table and asset that it makes, and what it reads."""

    step: Step
    table: str
    asset: str
    sql: str
    transactions: str
    """What the relation `transactions` holds for it."""

    def reads(self, catalogue: Catalogue) -> list[str]:
        """The relations that the statement reads, each with what it holds."""
        known = {
            "asked": _ASKED,
            "transactions": f"transactions: {self.transactions}",
            "labels": "labels: rows of transaction_labels, by the day from which they were known",
        }
        tables = {
            tiles.name: f"{tiles.name}: its rows of the days that the windows reach back to"
            for tiles in catalogue.tiles
        }
        tables |= {
            past.name: f"{past.name}: what the days before say of the users of the asked days"
            for past in look_backs(catalogue)
        }
        found = {name for match in _READ.finditer(self.sql) for name in match.groups()}
        return [says for name, says in (known | tables).items() if name in found]

    def text(self, catalogue: Catalogue) -> str:
        """The statement below a heading of comment lines."""
        heading = [f"{self.table}: written by the asset {self.asset}, step {self.step}", "reads"]
        heading += [f"  {says}" for says in self.reads(catalogue)]
        return "".join(f"-- {line}\n" for line in heading) + f"{self.sql};\n"


def statements(catalogue: Catalogue) -> list[Statement]:
    """All statements that a catalogue needs."""
    raw = "rows of raw_transactions"
    before = " and of the day before" if catalogue.slides else ""
    habits = habits_table(catalogue).name

    def tiles_of(level: int) -> list[Tiles]:
        return [tiles for key in KEYS if (tiles := catalogue.event_tiles(key, level))]

    past = look_backs(catalogue)
    labels = [tiles for key in KEYS if (tiles := catalogue.label_tiles(key))]
    given = [*(one.name for one in past), *(catalogue.label_days(one).name for one in labels)]

    def daily(tiles: Tiles, asset: str, transactions: str) -> Statement:
        return Statement("tiles", tiles.name, asset, event_tiles_sql(tiles), transactions)

    return [
        *(daily(tiles, "daily_tiles", f"{raw} of the asked days") for tiles in tiles_of(1)),
        *(
            Statement("habits", one.name, habits, look_back_sql(one), f"{raw} of the asked days")
            for one in past
        ),
        Statement(
            "habits",
            habits,
            habits,
            habits_sql(catalogue, given),
            f"{raw} of the asked days{before}",
        ),
        *(daily(tiles, habits, f"rows of {habits} of the asked days") for tiles in tiles_of(2)),
        *(
            Statement(
                "labels",
                tiles.name,
                "label_tiles",
                label_tiles_sql(catalogue, tiles),
                f"rows of {habits} that the labels speak of",
            )
            for tiles in labels
        ),
        *(
            Statement(
                "labels",
                catalogue.label_days(tiles).name,
                "label_tiles",
                label_days_sql(catalogue, tiles),
                "",
            )
            for tiles in labels
        ),
        Statement(
            "features",
            features_table(catalogue).name,
            "transaction_features",
            features_sql(catalogue, given),
            f"rows of {habits} of the asked days{before}",
        ),
    ]
