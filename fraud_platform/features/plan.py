"""What a catalogue's declarations need kept: tiles, columns looked back on, days of history."""

from functools import cached_property
from typing import cast

from fraud_platform.features.columns import base_column, coarse_column
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    Key,
    LabelCount,
    LabelFeature,
    LabelRate,
    LastLabel,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.declared import Declared, key_of
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles

KEYS: tuple[Key, ...] = ("user_id", "merchant_id")


class Catalogue(Declared):
    """The features in the model's input order; raises CatalogueError for one that cannot be."""

    @cached_property
    def looked_back(self) -> tuple[str, ...]:
        """First-level features that others look up of past events: kept with each event."""
        found = {name for f in self.features for name in f.looks_back_on if self.level(name) == 1}
        return tuple(name for name in self.names if name in found)

    def others(self, key: Key) -> tuple[str, ...]:
        """The ids whose relation to a key is kept by the day."""
        if key != "user_id":
            return ()
        found = {f.other for f in self.features if isinstance(f, FirstSeen)} | {
            cast("str", f.column)
            for f in self.features
            if isinstance(f, WindowAggregate)
            and f.aggregate == "distinct"
            and f.window_of(f.window).days
        }
        return tuple(sorted(found))

    @cached_property
    def hashed(self) -> tuple[str, ...]:
        """The ids that are kept of a user's recent events, besides the transaction's."""
        distinct = {
            cast("str", f.column)
            for f in self.features
            if isinstance(f, WindowAggregate) and f.aggregate == "distinct"
        }
        return tuple(sorted({*self.others("user_id"), *distinct}))

    def measures_of(self, feature: Feature) -> tuple[Measure, ...]:
        """What a window over events must yield for a feature."""
        where = getattr(feature, "where", None)
        match feature:
            case WindowAggregate(aggregate="distinct"):
                return ()
            case WindowAggregate(aggregate=aggregate, column=column):
                counted = column if column in self._by_name and self.level(column) == 1 else None
                n = Measure("n", counted, where)
                match aggregate:
                    case "count":
                        return (n,)
                    case "sum":
                        return (Measure("sum", column, where),)
                    case "mean":
                        return (n, Measure("sum", column, where))
                    case "std":
                        coarse = coarse_column(column or "")
                        return n, Measure("sum", coarse, where), Measure("sumsq", coarse, where)
                    case "max" | "min":
                        return (Measure(aggregate, column, where),)
            case TimeSinceLast():
                return (Measure("last", None, where),)
            case TimeSinceFirst():
                return (Measure("first", None, where),)
        return ()

    def label_measures_of(self, feature: Feature) -> tuple[LabelMeasure, ...]:
        """What a window over labels must yield for a feature."""
        if not isinstance(feature, LabelFeature):
            return ()
        kept = (feature.where, feature.maturity)
        match feature:
            case LabelRate():
                return LabelMeasure("labels", *kept), LabelMeasure("frauds", *kept)
            case LabelCount(of=of):
                return (LabelMeasure(of, *kept),)
            case LastLabel() | TimeSinceLabel(of="labels"):
                return (LabelMeasure("last", *kept),)
            case TimeSinceLabel(of=of):
                what = "last_fraud" if of == "frauds" else "last_legitimate"
                return (LabelMeasure(what, *kept),)
            case FraudRun(of=of):
                return (LabelMeasure("run" if of == "frauds" else "run_start", *kept),)
        return ()

    def event_tiles(self, key: Key, level: int) -> Tiles | None:
        """The daily tiles of a key's events, or None where no feature needs them."""
        found: dict[str, Measure] = {}
        for feature in self.features:
            if key_of(feature) == key and _days(feature):
                for measure in self.measures_of(feature):
                    if self.measure_level(measure) == level:
                        found[measure.name] = measure
        others = self.others(key) if level == 1 else ()
        if not found and not others:
            return None
        n = Measure("n")
        if level == 1:  # n says of how many transactions a tile was made
            found.setdefault(n.name, n)
        if others:  # when an id was first seen today
            found.setdefault("first_us", Measure("first"))
        kind = "tiles" if level == 1 else "habit_tiles"
        return Tiles(f"{key.removesuffix('_id')}_{kind}", key, tuple(found.values()), others)

    def label_tiles(self, key: Key) -> Tiles | None:
        """The hourly tiles of a key's labels, or None where no feature needs them."""
        found = {
            measure.name: measure
            for feature in self.features
            if isinstance(feature, LabelFeature) and feature.key == key
            for own in self.label_measures_of(feature)
            for measure in (own.after, own)
            if measure is not None
        }
        if not found:
            return None
        return Tiles(f"{key.removesuffix('_id')}_label_tiles", key, tuple(found.values()))

    def label_days(self, tiles: Tiles) -> Tiles:
        """The same figures by the day: all but the runs, which don't merge without their hours."""
        measures = [m for m in tiles.measures if isinstance(m, LabelMeasure) and m.after is None]
        return Tiles(f"{tiles.key.removesuffix('_id')}_label_days", tiles.key, tuple(measures))

    def measure_level(self, measure: Measure) -> int:
        """1 for a measure of the transactions themselves, 2 for one of their features."""
        names = [base_column(measure.column), measure.where.column if measure.where else None]
        return 1 + max((self.level(n) for n in names if n is not None), default=0)

    @cached_property
    def tiles(self) -> tuple[Tiles, ...]:
        """All tables of tiles that the catalogue needs."""
        events = [self.event_tiles(key, level) for level in (1, 2) for key in KEYS]
        labels = [tiles for key in KEYS if (tiles := self.label_tiles(key))]
        by_day = [self.label_days(tiles) for tiles in labels]
        return (*(tiles for tiles in events if tiles is not None), *labels, *by_day)

    @cached_property
    def slides(self) -> bool:
        """Whether some window slides, so that the day before is read too."""
        return any(
            isinstance(f, WindowAggregate) and f.window_of(f.window).us for f in self.features
        )

    @cached_property
    def history_days(self) -> int:
        """Full days of transactions before a day that its features can depend on."""
        own = max((_days(f) for f in self.features if not isinstance(f, LabelFeature)), default=0)
        return max(own, 1 if self.slides else 0)

    def followed_by_days(self, label_lookback_days: int) -> int:
        """For how many days after a day of transactions features can depend on it.

        By way of the habits that others look back on, and of labels that speak of those.
        """
        if not self.looked_back:
            return self.history_days
        by_labels = label_lookback_days + self.label_history_days
        return self.history_days + max(self.history_days, by_labels)

    @cached_property
    def label_history_days(self) -> int:
        """Full days of known labels before a day that its features can depend on."""
        labels = [f for f in self.features if isinstance(f, LabelFeature)]
        return max((f.days_of(f.window) - 1 + f.maturity for f in labels), default=0)


def _days(feature: Feature) -> int:
    """Full days before today that a feature looks back on by tiles; 0 where it doesn't."""
    match feature:
        case WindowAggregate(window=window):
            days = feature.window_of(window).days
        case (
            TimeSinceLast(within=within) | TimeSinceFirst(within=within) | FirstSeen(within=within)
        ):
            days = feature.days_of(within)
        case _:
            return 0
    # A user's window holds today so far, a merchant's doesn't.
    return days if feature.key == "merchant_id" else max(days - 1, 0)
