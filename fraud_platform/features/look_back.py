"""What the full days before a day say of each key of that day: a merge of its daily tiles.

It is most of the work that features ask for, and habits need it as features do, so it is made once
and kept in the lake.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_platform.features.declarations import Key
from fraud_platform.features.measures import Tiles


@dataclass(frozen=True)
class LookBack:
    """A merge of tiles, by key and day and, where `other` is given, by that id too.

    `columns` are the aggregates by name, of the tiles of `days` full days before and, with another
    id, of the day itself.
    """

    name: str
    tiles: Tiles
    other: str | None
    columns: Mapping[str, str]
    days: int

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns with ids."""
        return (self.tiles.key, self.other) if self.other else (self.tiles.key,)

    @property
    def selected(self) -> list[str]:
        """What is selected from `source`."""
        return [*self._keys, *(f"{sql} AS {name}" for name, sql in self.columns.items())]

    @property
    def group_by(self) -> str:
        """What is grouped by."""
        return ", ".join(self._keys)

    @property
    def _keys(self) -> list[str]:
        of_tile = [f"tile.{self.other}"] if self.other else []
        return [f"days.{self.tiles.key}", "days.day", *of_tile]

    def source(self, points: str) -> str:
        """The join of the keys and days asked about with their tiles."""
        key, until = self.tiles.key, "<=" if self.other else "<"
        return (
            f"FROM {points} AS days\n  JOIN {self.tiles.name} AS tile\n"
            f"    ON tile.{key} = days.{key} AND tile.day {until} days.day "
            f"AND tile.day >= days.day - {self.days}"
        )


def past_by(key: Key, other: str) -> str:
    """The name of the merge that keeps another id apart."""
    return f"{key.removesuffix('_id')}_past_by_{other.removesuffix('_id')}"
