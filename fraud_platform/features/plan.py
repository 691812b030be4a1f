"""A checked catalogue, and what its declarations need kept: tiles, columns looked back on."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import cast, get_args

from fraud_platform.features.columns import base_column, coarse_column
from fraud_platform.features.declaration_rules import check_declaration
from fraud_platform.features.declarations import (
    CatalogueError,
    Feature,
    Field,
    FirstSeen,
    FraudRun,
    Key,
    LabelCount,
    LabelFeature,
    LabelRate,
    LastLabel,
    Request,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles

KEYS: tuple[Key, ...] = ("user_id", "merchant_id")
FIELDS: tuple[Field, ...] = get_args(Field)


class Catalogue:
    """The features in the model's input order; raises CatalogueError for one that cannot be."""

    def __init__(self, *features: Feature) -> None:
        self.features = features
        self._by_name: dict[str, Feature] = {}
        for feature in features:
            if feature.name in self._by_name:
                raise CatalogueError(f"feature {feature.name} is declared twice; rename one")
            if feature.name in FIELDS and getattr(feature, "field", "") != feature.name:
                raise CatalogueError(
                    f"feature {feature.name} has the name of a figure of the transaction itself; "
                    "rename it"
                )
            check_declaration(feature)
            self._by_name[feature.name] = feature
        for feature in features:
            self._check(feature)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __getitem__(self, name: str) -> Feature:
        return self._by_name[name]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def level(self, name: str) -> int:
        """0 for a figure of the transaction, 1 for what looks back on those, 2 for the rest."""
        return self._level(name, ())

    def _level(self, name: str, above: tuple[str, ...]) -> int:
        if name in above:
            by_way = " and ".join(above[above.index(name) + 1 :])
            raise CatalogueError(
                f"feature {name} is computed from itself"
                + (f", by way of {by_way}; break the circle" if by_way else "; name another")
            )
        if name in FIELDS:
            return 0
        feature = self._by_name.get(name)
        if feature is None:
            raise CatalogueError(
                f"feature {above[-1]}: there is no column or feature {name}; use one of "
                f"{', '.join([*FIELDS, *(n for n in self.names if n != above[-1])])}"
            )
        if isinstance(feature, Request):
            return 0
        needs = max((self._level(n, (*above, name)) for n in feature.needs), default=0)
        seen = max((self._level(n, (*above, name)) for n in feature.looks_back_on), default=0)
        return max(needs, 1 if not feature.needs else 0, seen + 1)

    def _check(self, feature: Feature) -> None:
        self.level(feature.name)  # finds circles and unknown names
        for name in feature.looks_back_on:
            seen = self._by_name.get(name)
            if isinstance(seen, Request) and name not in FIELDS:
                raise CatalogueError(
                    f"feature {feature.name} looks back on {name}, which is the transaction's "
                    f"{seen.field}; write {seen.field}"
                )
            if name in self._by_name and self._is_label(name):
                raise CatalogueError(
                    f"feature {feature.name} looks back on {name}, which is made from labels; "
                    "labels of the past change what it was, so use one that isn't"
                )
            if self.level(name) > 1:
                raise CatalogueError(
                    f"feature {feature.name} looks back on {name}, which looks back on others "
                    "itself; two levels are kept, so use one of level 1"
                )
        match feature:
            case WindowAggregate():
                self._check_aggregate(feature)
            case TimeSinceLast() | TimeSinceFirst() | FirstSeen():
                feature.days_of(feature.within)
            case LabelFeature():
                feature.days_of(feature.window)
                if isinstance(feature, FraudRun) and feature.maturity:
                    raise CatalogueError(
                        f"feature {feature.name}: a run is of labels as they were known; "
                        "leave maturity out"
                    )

    def _is_label(self, name: str) -> bool:
        feature = self._by_name[name]
        return isinstance(feature, LabelFeature) or any(
            self._is_label(n) for n in feature.needs if n in self._by_name
        )

    def _check_aggregate(self, feature: WindowAggregate) -> None:
        window = feature.window_of(feature.window)
        if feature.key == "merchant_id" and not window.days:
            raise CatalogueError(
                f"feature {feature.name}: merchants' recent events aren't kept online, so their "
                "windows are full days before today; use 1d to 60d"
            )
        if feature.aggregate == "distinct":
            if feature.key != "user_id" or feature.column not in ("device_id", "merchant_id"):
                raise CatalogueError(
                    f"feature {feature.name}: distinct counts a user's devices or merchants; "
                    'use key="user_id" and column="device_id" or "merchant_id"'
                )
            if feature.where is not None:
                raise CatalogueError(f"feature {feature.name}: distinct takes no condition")
        elif feature.aggregate != "count" and feature.column is None:
            raise CatalogueError(
                f"feature {feature.name}: say of which column it is the {feature.aggregate}"
            )

    def in_order(self, names: Iterable[str], known: tuple[str, ...] = ()) -> list[str]:
        """These features and those that they are computed from, each after what it needs.

        `known` ones are taken as given.
        """
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in self._by_name and name not in known and name not in found:
                for needed in self._by_name[name].needs:
                    visit(needed)
                found[name] = None

        for name in names:
            visit(name)
        return list(found)

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
            if getattr(feature, "key", None) == key and _days(feature):
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
