"""The common table expressions of a statement, and what each event is joined with."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fraud_platform.features.declarations import Key


@dataclass
class Ctes:
    """Grows by what features need; `given` are relations that are there already."""

    given: frozenset[str] = frozenset()
    made: list[str] = field(default_factory=list)
    joins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The expressions that events are joined with, and on which columns."""
    columns: list[str] = field(default_factory=list)
    """What they give to each event."""

    def add(self, name: str, columns: Sequence[str], source: str, group_by: str = "") -> None:
        """Adds an expression, once."""
        if name in self.given:
            return
        group = f"\n  GROUP BY {group_by}" if group_by else ""
        cte = f"{name} AS (\n  SELECT " + ",\n    ".join(columns) + f"\n  {source}{group}\n)"
        if cte not in self.made:
            self.made.append(cte)

    def days_of(self, key: Key) -> str:
        """The expression with each key and day asked about."""
        name = f"{key.removesuffix('_id')}_days"
        self.add(name, [f"DISTINCT {key}", "day"], "FROM asked_event")
        return name

    def hours_of(self, key: Key) -> str:
        """The expression with each key and hour asked about."""
        name = f"{key.removesuffix('_id')}_hours"
        self.add(name, [f"DISTINCT {key}", "day", "hour_us"], "FROM asked_event")
        return name

    def end(self) -> list[str]:
        """All of them, and `seen`: a row for each asked event."""
        source = "FROM asked_event AS event"
        for name, keys in self.joins.items():
            on = " AND ".join(f"{name}.{key} = event.{key}" for key in keys)
            source += f"\n  LEFT JOIN {name}\n    ON {on}"
        self.add("seen", ["event.*", *self.columns], source)
        return self.made
