"""Options that several commands have."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number within bounds; `nan`, which lies within any, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; fails as click's own does."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


DAY = click.DateTime(formats=["%Y-%m-%d"])
POSITIVE = Number(min=0, min_open=True)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
