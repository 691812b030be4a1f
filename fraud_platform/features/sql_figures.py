"""A figure that a feature needs of the past, and how it is merged from what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_platform.features.declarations import Feature, FirstSeen, Key, WindowAggregate
from fraud_platform.features.declared import key_of, window_text
from fraud_platform.features.measures import LabelMeasure, Measure


def column_of(feature: Feature, measure: Measure | LabelMeasure) -> str:
    """The column with a measure over a feature's window."""
    return f"{_entity(feature)}__{measure.name}__{window_text(feature)}"


def distinct_column(feature: WindowAggregate) -> str:
    """The column with a count of distinct ids."""
    return f"{_entity(feature)}__distinct_{feature.column}__{feature.window}"


def first_seen_column(feature: FirstSeen) -> str:
    """The column that says whether an id is new, as 0 or 1."""
    return f"{_entity(feature)}__new_{feature.other}__{feature.within}"


def _entity(feature: Feature) -> str:
    return (key_of(feature) or "").removesuffix("_id")


@dataclass(frozen=True)
class Figure:
    """A measure over a window; of the day windows `days` full days before today are by tiles."""

    column: str
    measure: Measure | LabelMeasure
    key: Key
    us: int
    days: int
    level: int

    @property
    def today(self) -> str:
        """The column with today so far."""
        return f"today__{self.measure.name}"

    @property
    def before(self) -> str:
        """The column with the full days before today."""
        return f"before__{self.column}"

    @property
    def part(self) -> str:
        """The same by another id too."""
        return f"part__{self.column}"

    @property
    def begin(self) -> str:
        """The column that says where a run begins."""
        return f"begin__{self.column}"

    @property
    def after(self) -> LabelMeasure | None:
        """For a run, the measure that says where it begins."""
        return self.measure.after if isinstance(self.measure, LabelMeasure) else None

    def over(self, keys: str, opens: str) -> str:
        """The window over the events themselves, up to just before each."""
        over = (
            f"{self.reduced(f'e_{self.measure.name}')} OVER (PARTITION BY {keys} "
            f"ORDER BY timestamp_us RANGE BETWEEN {opens} AND 1 PRECEDING)"
        )
        return f"COALESCE({over}, 0)" if self.us and self.measure.reduce == "sum" else over

    def merged(self) -> str:
        """A day window: its full days before today, and for a user today so far."""
        before = self.before if self.days else None
        today = self.today if self.key == "user_id" else None
        if before and today:
            return self.both(before, today)
        return self.or_zero(before or today or "NULL")

    def both(self, before: str, today: str) -> str:
        """Two parts of a window, of which each may be missing."""
        match self.measure.reduce:
            case "sum":
                return f"COALESCE({before}, 0) + COALESCE({today}, 0)"
            case "max":
                return f"GREATEST({before}, {today})"
        return f"LEAST({before}, {today})"

    def reduced(self, values: str) -> str:
        """The aggregate that merges such values."""
        return f"{self.measure.reduce.upper()}({values})"

    def or_zero(self, column: str) -> str:
        """A sum of nothing is nought; an extreme of nothing is missing."""
        return f"COALESCE({column}, 0)" if self.measure.reduce == "sum" else column


def named(columns: Mapping[str, str]) -> list[str]:
    """Items of a SELECT, of SQL by name."""
    return [f"{sql} AS {name}" for name, sql in columns.items()]
