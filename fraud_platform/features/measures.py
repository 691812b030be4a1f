"""Exact figures of many events that merge in any order: what tiles and windows are made of.

All are integers, so a sum has one value whatever the order of its terms: money in cents,
logarithms and features of an event in ten-thousandths (`columns.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fraud_platform.features.declarations import Key, Where

Reduce = Literal["sum", "max", "min"]


@dataclass(frozen=True)
class Measure:
    """A figure of a key's events: how many, or a sum, extreme or time of them."""

    what: Literal["n", "sum", "sumsq", "max", "min", "first", "last"]
    column: str | None = None
    where: Where | None = None

    @cached_property
    def name(self) -> str:
        column = "us" if self.what in ("first", "last") else self.column
        name = self.what if column is None else f"{self.what}_{column}"
        return name if self.where is None else f"{name}_if_{self.where.slug}"

    @cached_property
    def reduce(self) -> Reduce:
        match self.what:
            case "max" | "last":
                return "max"
            case "min" | "first":
                return "min"
        return "sum"


@dataclass(frozen=True)
class LabelMeasure:
    """A figure of a key's labels.

    `last` is known_at_us * 2 + is_fraud, so that the latest wins. `run` and `run_start` are about
    the frauds known after the last legitimate label: of each tile those after its own, of a
    window those of the tiles from the one with the last of all on.
    """

    what: Literal["labels", "frauds", "last", "last_fraud", "last_legitimate", "run", "run_start"]
    where: Where | None = None
    maturity: int = 0

    @cached_property
    def name(self) -> str:
        name = self.what if self.where is None else f"{self.what}_if_{self.where.slug}"
        return f"{name}_after_{self.maturity}d" if self.maturity else name

    @cached_property
    def reduce(self) -> Reduce:
        match self.what:
            case "labels" | "frauds" | "run":
                return "sum"
            case "run_start":
                return "min"
        return "max"

    @cached_property
    def after(self) -> "LabelMeasure | None":
        """For a run, the measure that says where it begins."""
        if self.what not in ("run", "run_start"):
            return None
        return LabelMeasure("last_legitimate", self.where, self.maturity)


@dataclass(frozen=True)
class Tiles:
    """A lake table of daily tiles: one row for each day, key and `others`, with its measures.

    Level 1 is about the transactions themselves, level 2 about features of theirs; label tiles
    have a row for each hour.
    """

    name: str
    key: Key
    measures: tuple[Measure, ...] | tuple[LabelMeasure, ...]
    others: tuple[str, ...] = ()


def reduce_with(how: Reduce) -> Callable[[list[int]], int]:
    """The function that merges values of a measure; the list must hold one at least."""
    return {"sum": sum, "max": max, "min": min}[how]
