"""Rows of the online views, such as somebody will send one day."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from fraud_platform.features.state import VIEWS, State, View

LEAST, MOST = -(2**63), 2**63 - 1

FLOATS = View(
    "user_floats", "user", {"as_of_us": "int64", "days": "int64_list", "scores": "float64_list"}
)
"""A view with a list of floats, whether or not the catalogue has one."""

ODD_IDS = ["用户 7", "nul\x00id", "quote'\"id", "é" * 64, "e\u0301", "\u00e9", "🂡", " ", "%_;--"]


def a_state(view: View, seed: int = 0, length: int = 3) -> State:
    """Any state of a view; the same seed gives the same one."""
    state: dict[str, Any] = {}
    for i, (name, kind) in enumerate(view.fields.items()):
        first = seed * 100 + i
        match kind:
            case "int64":
                state[name] = first
            case "int64_list":
                state[name] = list(range(first, first + length))
            case "float64_list":
                state[name] = [(first + j) / 7 for j in range(length)]
    return state


def extreme(view: View) -> State:
    """The numbers at the ends of each kind."""
    values = {
        "int64": LEAST,
        "int64_list": [MOST, LEAST, 0, -1],
        "float64_list": [math.inf, -math.inf, 5e-324, -0.0],
    }
    return {name: values[kind] for name, kind in view.fields.items()}


def odd_rows(view: View) -> dict[str, State]:
    """Rows of odd ids, extreme numbers and empty lists."""
    odd = {entity_id: a_state(view, i) for i, entity_id in enumerate(ODD_IDS)}
    return odd | {"extreme": extreme(view), "empty": a_state(view, 9, length=0)}


EVERY_VIEW = (*VIEWS, FLOATS)


def as_frame(view: View, rows: Mapping[str, State]) -> pl.DataFrame:
    """The same rows as a frame with the view's join key and fields."""
    types = {
        "int64": pl.Int64(),
        "int64_list": pl.List(pl.Int64()),
        "float64_list": pl.List(pl.Float64()),
    }
    return pl.DataFrame(
        {view.join_key: [*rows]} | {n: [state[n] for state in rows.values()] for n in view.fields},
        schema={view.join_key: pl.String()} | {n: types[kind] for n, kind in view.fields.items()},
    )
