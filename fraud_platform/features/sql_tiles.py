"""SQL for what the full days before today say of a key, from its tiles."""

from dataclasses import dataclass

from fraud_platform.features.declarations import Feature, FirstSeen
from fraud_platform.features.look_back import LookBack, Merged, past_by
from fraud_platform.features.measures import Tiles
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql_ctes import Ctes
from fraud_platform.features.sql_figures import Figure, named


@dataclass(frozen=True)
class DaysBefore:
    """Merges of tiles for the features to compute."""

    catalogue: Catalogue
    features: list[Feature]
    ctes: Ctes

    def merge(self, tiles: Tiles, figures: list[Figure]) -> None:
        """The tiles of the days before, merged by key and day."""
        key, name, ctes = tiles.key, f"{tiles.name}_before", self.ctes
        passes = self.passes(tiles, figures)
        for one in passes:
            if one.name not in ctes.given:
                source = one.source(ctes.days_of(key))
                ctes.add(one.name, [*one.keys, *one.figures], source, ", ".join(one.keys))
        if not figures:
            return
        if passes[0].name != name:
            again = named({f.before: f.reduced(f.part) for f in figures})
            ctes.add(name, [key, "day", *again], f"FROM {passes[0].name}", f"{key}, day")
        ctes.joins[name] = (key, "day")

    def passes(self, tiles: Tiles, figures: list[Figure]) -> list[LookBack]:
        """How the tiles of the days before are merged; the first pass has the figures.

        Where a relation to another id is looked up too, they are merged by that id first: one
        pass over the tiles serves both.
        """
        others = [other for other in tiles.others if self.related_days(other)]
        merged = {
            (f.part if others else f.before): Merged(f.measure.reduce, f.measure.name, f.days)
            for f in figures
        }
        if not others:
            return [LookBack(f"{tiles.name}_before", tiles, None, merged)]
        return [
            LookBack(
                past_by(tiles.key, other),
                tiles,
                other,
                (merged if i == 0 else {})
                | {
                    "last_day": Merged("max", "day", self.related_days(other)),
                    "first_us": Merged("min", "first_us", None),
                },
            )
            for i, other in enumerate(others)
        ]

    def related_days(self, other: str) -> int:
        """How many full days before today a relation to another id is looked up."""
        merged = past_by("user_id", other) in self.ctes.given
        return max(
            (
                f.days_of(f.within) - 1
                for f in (self.catalogue.features if merged else self.features)
                if isinstance(f, FirstSeen) and f.other == other
            ),
            default=0,
        )
