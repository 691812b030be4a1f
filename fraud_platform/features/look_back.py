"""What the full days before a day say of each key of that day: a merge of its daily tiles.

It is most of the work that features ask for, and habits need it as features do, so it is made once
and kept in the lake.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_platform.clock import DAY_US
from fraud_platform.features.declarations import Key
from fraud_platform.features.measures import Reduce, Tiles


@dataclass(frozen=True)
class Merged:
    """A column of tiles merged over so many full days before a day; None is the day itself."""

    reduce: Reduce
    column: str
    days: int | None

    @property
    def inside(self) -> str:
        """Whether a tile counts for a day."""
        if self.days is None:
            return "tile.day = days.day"
        return f"tile.day >= days.day - {self.days} AND tile.day < days.day"


@dataclass(frozen=True)
class LookBack:
    """A merge of tiles, by key and day and, where `other` is given, by that id too."""

    name: str
    tiles: Tiles
    other: str | None
    columns: Mapping[str, Merged]

    @property
    def days(self) -> int:
        """How far it reaches back."""
        return max(merged.days or 0 for merged in self.columns.values())

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns with ids."""
        return (self.tiles.key, self.other) if self.other else (self.tiles.key,)

    @property
    def keys(self) -> list[str]:
        """What is grouped by, of `days` and `tile`."""
        key, *others = self.ids
        return [f"days.{key}", "days.day", *(f"tile.{other}" for other in others)]

    @property
    def figures(self) -> list[str]:
        """What is selected from `source`, beside the keys."""
        return [
            f"CAST({merged.reduce.upper()}(CASE WHEN {merged.inside} THEN tile.{merged.column} END)"
            f" AS BIGINT) AS {name}"
            for name, merged in self.columns.items()
        ]

    def source(self, points: str, tiles: str = "") -> str:
        """The join of the keys and days asked about with their tiles."""
        key, until = self.tiles.key, "<=" if self.other else "<"
        return (
            f"FROM {points} AS days\n  JOIN {tiles or self.tiles.name} AS tile\n"
            f"    ON tile.{key} = days.{key} AND tile.day {until} days.day "
            f"AND tile.day >= days.day - {self.days}"
        )


def past_by(key: Key, other: str) -> str:
    """The name of the merge that keeps another id apart."""
    return f"{key.removesuffix('_id')}_past_by_{other.removesuffix('_id')}"


def day_look_back_sql(look_back: LookBack, asked_days: str) -> str:
    """SQL for a look-back, given a statement of the keys and days asked about."""
    return (
        f"WITH asked_days AS (\n  {asked_days}\n)\nSELECT "
        f"{_list([*look_back.keys, *look_back.figures])}\n{look_back.source('asked_days')}\n"
        f"GROUP BY {', '.join(look_back.keys)}"
    )


def range_look_back_sql(look_back: LookBack, asked_days: str) -> str:
    """The same rows for several days.

    The days that the windows of all days of the range share are merged once (`common`), and each
    day adds what is left at both ends (`ends`): for a few days at a time a third of the work.
    """
    ids = look_back.ids
    before = {n: m for n, m in look_back.columns.items() if m.days is not None}
    reach = sorted({m.days for m in before.values() if m.days is not None})
    common = [
        f"CAST({m.reduce.upper()}(CASE WHEN tile.day >= last_day - {m.days} "
        f"THEN tile.{m.column} END) AS BIGINT) AS {n}"
        for n, m in before.items()
    ]
    shared = [n if n in before else f"CAST(NULL AS BIGINT) AS {n}" for n in look_back.columns]
    ends = [
        f"CASE WHEN {m.inside}{_apart(m)} THEN tile.{m.column} END AS {n}"
        for n, m in look_back.columns.items()
    ]
    at_ends = [
        "tile.day >= first_day",
        *(f"(tile.day >= first_day - {n} AND tile.day < last_day - {n})" for n in reach),
    ]
    figures = [
        f"CAST({m.reduce.upper()}({n}) AS BIGINT) AS {n}" for n, m in look_back.columns.items()
    ]
    tiles, key = look_back.tiles.name, look_back.tiles.key
    ctes = {
        "bounds": f"SELECT CAST(start_us / {DAY_US} AS BIGINT) AS first_day, "
        f"CAST(end_us / {DAY_US} AS BIGINT) - 1 AS last_day\n  FROM asked",
        "asked_days": asked_days,
        "common": f"SELECT {_list([*(f'tile.{i}' for i in ids), *common])}\n"
        f"  FROM {tiles} AS tile, bounds\n"
        f"  WHERE tile.day >= last_day - {look_back.days} AND tile.day < first_day\n"
        f"  GROUP BY {', '.join(f'tile.{i}' for i in ids)}",
        "ends": f"SELECT tile.*, first_day, last_day\n  FROM {tiles} AS tile, bounds\n"
        f"  WHERE {' OR '.join(at_ends)}",
        "parts": f"SELECT {_list(['days.day', *(f'common.{i}' for i in ids), *shared])}\n"
        f"  FROM asked_days AS days\n  JOIN common ON common.{key} = days.{key}\n"
        f"  UNION ALL\n  SELECT {_list(['days.day', *(f'tile.{i}' for i in ids), *ends])}\n"
        f"  {look_back.source('asked_days', 'ends')}",
    }
    named = ",\n".join(f"{name} AS (\n  {sql}\n)" for name, sql in ctes.items())
    keys = ["day", *ids]
    return (
        f"WITH {named}\nSELECT {_list([*keys, *figures])}\nFROM parts\nGROUP BY {', '.join(keys)}"
    )


def _apart(merged: Merged) -> str:
    """Leaves out what `common` has already."""
    if merged.days is None:
        return ""
    return f" AND (tile.day < last_day - {merged.days} OR tile.day >= first_day)"


def _list(columns: list[str]) -> str:
    return ",\n    ".join(columns)
