"""SQL for what was known of a key's labels before an event's hour, from their hourly tiles."""

from dataclasses import dataclass, replace

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql_ctes import Ctes
from fraud_platform.features.sql_figures import Figure, named
from fraud_platform.features.sql_tiles import DaysBefore

DAY_OF_HOUR = f"CAST((hour_us - hour_us % {DAY_US}) / {DAY_US} AS BIGINT)"


@dataclass(frozen=True)
class LabelWindows:
    """Labels of the full days before today, and today's so far, of one key."""

    catalogue: Catalogue
    tiles: Tiles
    ctes: Ctes
    before: DaysBefore

    def add(self, figures: list[Figure]) -> None:
        """Gives the figures to each event."""
        tiles, ctes = self.tiles, self.ctes
        plain = [f for f in figures if not f.after]
        runs = [f for f in figures if f.after]
        begins = [replace(f, column=f.begin, measure=f.after) for f in runs if f.after]
        needed = list({f.column: f for f in (*plain, *begins)}.values())
        measures = list(dict.fromkeys(f.measure for f in needed))
        days = self.catalogue.label_days(tiles)
        daily = [f"{m.reduce.upper()}({m.name}) AS {m.name}" for m in measures]
        group = f"{tiles.key}, {DAY_OF_HOUR}"
        columns = [tiles.key, f"{DAY_OF_HOUR} AS day", *daily]
        ctes.add(days.name, columns, f"FROM {tiles.name}", group)
        # A window of a day has no full day before today.
        self.before.merge(days, [replace(f, days=f.days - 1) for f in needed])
        today = self._today(measures)
        known = {f.column: f.both(f.before, f"{today}__{f.measure.name}") for f in needed}
        ctes.joins[today] = (tiles.key, "hour_us")
        ctes.columns += named({f.column: known[f.column] for f in plain})
        if runs:
            self._runs(runs, today, known)

    def _today(self, measures: list[Measure | LabelMeasure]) -> str:
        tiles, hours = self.tiles, self.ctes.hours_of(self.tiles.key)
        name = f"{tiles.name}_today"
        so_far = [f"{m.reduce.upper()}(tile.{m.name}) AS {name}__{m.name}" for m in measures]
        keys = [f"hours.{tiles.key}", "hours.hour_us"]
        source = self._tiles_since(hours, f"hours.day * {DAY_US}")
        self.ctes.add(name, [*keys, *so_far], source, ", ".join(keys))
        return name

    def _runs(self, figures: list[Figure], today: str, known: dict[str, str]) -> None:
        """Frauds known after the last legitimate label: a second look at the tiles, from there."""
        tiles, ctes, key = self.tiles, self.ctes, self.tiles.key
        hours, name = ctes.hours_of(key), f"{tiles.name}_runs"
        begins = {f"{known[f.begin]} AS {f.begin}" for f in figures}
        joins = "\n  ".join(
            f"LEFT JOIN {part}\n    ON {part}.{key} = hours.{key} AND {part}.{on} = hours.{on}"
            for part, on in (
                (f"{self.catalogue.label_days(tiles).name}_before", "day"),
                (today, "hour_us"),
            )
        )
        ctes.add(f"{name}_begin", ["hours.*", *sorted(begins)], f"FROM {hours} AS hours\n  {joins}")
        merged = {}
        for f in figures:
            begin = f"hours.{f.begin}"
            inside = (
                f"tile.hour_us >= (hours.day - {f.days - 1}) * {DAY_US} AND "
                f"({begin} IS NULL OR tile.hour_us >= {begin} - {begin} % {HOUR_US})"
            )
            merged[f"{name}__{f.column}"] = f.reduced(
                f"CASE WHEN {inside} THEN tile.{f.measure.name} END"
            )
        since = f"(hours.day - {max(f.days for f in figures) - 1}) * {DAY_US}"
        some = " OR ".join(sorted({f"tile.{f.measure.name} > 0" for f in figures}))
        keys = [f"hours.{key}", "hours.hour_us"]
        source = f"{self._tiles_since(f'{name}_begin', since)}\n  WHERE {some}"
        ctes.add(name, [*keys, *named(merged)], source, ", ".join(keys))
        ctes.joins[name] = (key, "hour_us")
        ctes.columns += named({f.column: f.or_zero(f"{name}__{f.column}") for f in figures})

    def _tiles_since(self, hours: str, since: str) -> str:
        key = self.tiles.key
        return (
            f"FROM {hours} AS hours\n  JOIN {self.tiles.name} AS tile\n"
            f"    ON tile.{key} = hours.{key} AND tile.hour_us < hours.hour_us "
            f"AND tile.hour_us >= {since}"
        )
