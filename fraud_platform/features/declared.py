"""Declarations checked together: names, what each is computed from, and the levels of that."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import get_args

from fraud_platform.features.declaration_rules import check_declaration
from fraud_platform.features.declarations import (
    CatalogueError,
    Feature,
    Field,
    FirstSeen,
    FraudRun,
    Key,
    LabelFeature,
    Request,
    TimeSinceFirst,
    TimeSinceLast,
    WindowAggregate,
)

FIELDS: tuple[Field, ...] = get_args(Field)


class Declared:
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


def key_of(feature: Feature) -> Key | None:
    """The key whose events or labels a feature is about."""
    return getattr(feature, "key", None)


def window_text(feature: Feature) -> str:
    """The declared window; empty where there is none."""
    return getattr(feature, "within", None) or getattr(feature, "window", "")
