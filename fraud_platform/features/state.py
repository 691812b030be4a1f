"""The online state: what is kept of each user and merchant so that a vector can be computed.

One writer a view. `user_recent` holds the events of the last 72 h; the others hold daily tiles, as
parallel lists with one place for each day that has any, and say up to when they are complete.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal

from fraud_platform.clock import HOUR_US
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import Key
from fraud_platform.features.plan import KEYS, Catalogue

Kind = Literal["int64", "int64_list", "float64_list"]
State = Mapping[str, int | Sequence[int] | Sequence[float]]
"""The fields of a view's row; an absent row reads as the view's `empty`."""

PROJECT = "predictflow"
"""The Feast project."""

RECENT_US = 72 * HOUR_US
"""How far back from a user's newest event the recent ones are kept."""


@dataclass(frozen=True)
class View:
    """An online view: its name in the store, the entity that keys it, its fields in order."""

    name: str
    entity: Literal["user", "merchant"]
    fields: Mapping[str, Kind]

    @property
    def join_key(self) -> Key:
        return "user_id" if self.entity == "user" else "merchant_id"

    @property
    def table(self) -> str:
        """The view's table in Feast's SQLite online store."""
        return f"{PROJECT}_{self.name}"

    @cached_property
    def empty(self) -> State:
        """The state of an entity of which nothing is known."""
        return {name: 0 if kind == "int64" else () for name, kind in self.fields.items()}

    @cached_property
    def parallel(self) -> tuple[tuple[str, ...], ...]:
        """Groups of lists that have one place each for the same event, day or related id."""
        lists = [name for name, kind in self.fields.items() if kind != "int64"]
        groups: dict[str, list[str]] = {}
        for name in lists:
            groups.setdefault(
                name.rpartition("_")[0] if name.startswith("seen_") else "", []
            ).append(name)
        return tuple(map(tuple, groups.values()))


def views(catalogue: Catalogue) -> tuple[View, ...]:
    """The views that a catalogue's features are computed from; the first is `user_recent`."""
    found = [View("user_recent", "user", _recent_fields(catalogue))]
    for key in KEYS:
        entity = "user" if key == "user_id" else "merchant"
        tiles = [t for level in (1, 2) if (t := catalogue.event_tiles(key, level))]
        if tiles:
            names = [measure.name for t in tiles for measure in t.measures]
            related = [field for other in catalogue.others(key) for field in related_fields(other)]
            found.append(View(f"{entity}_daily", entity, _tile_fields([*names, *related])))
        labels = catalogue.label_tiles(key)
        if labels:
            names = [measure.name for measure in labels.measures]
            found.append(View(f"{entity}_labels", entity, _tile_fields(names)))
    return tuple(found)


def hash_field(other: str) -> str:
    """The field of `user_recent` with the hashes of an id."""
    return f"{other.removesuffix('_id')}_hashes"


def related_fields(other: str) -> tuple[str, str]:
    """The fields of `user_daily` with the ids seen, and on which days.

    Bit k of the days stands for the day that began k + 1 days before `as_of_us`.
    """
    name = other.removesuffix("_id")
    return f"seen_{name}_hashes", f"seen_{name}_days"


def _recent_fields(catalogue: Catalogue) -> dict[str, Kind]:
    hashes: dict[str, Kind] = {hash_field(other): "int64_list" for other in catalogue.hashed}
    features: dict[str, Kind] = dict.fromkeys(catalogue.looked_back, "float64_list")
    return {
        "timestamps_us": "int64_list",
        "amounts_cents": "int64_list",
        "transaction_hashes": "int64_list",
        **hashes,
        **features,
    }


def _tile_fields(measures: Sequence[str]) -> dict[str, Kind]:
    return {"as_of_us": "int64", "days": "int64_list", **dict.fromkeys(measures, "int64_list")}


VIEWS = views(CATALOGUE)


def identifier_hash(identifier: str | None) -> int:
    """A stable signed 64-bit hash of an identifier; 0 stands for none.

    Devices and transactions are compared by it alone: with a thousand devices a user the chance
    of one collision is below 1e-13.
    """
    if identifier is None:
        return 0
    digest = blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
