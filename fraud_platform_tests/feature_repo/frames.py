"""Rows of the online views as the frames that `write_view` takes."""

from collections.abc import Mapping

import polars as pl

from fraud_platform.features.state import State, View

_TYPES = {"int64": pl.Int64(), "int64_list": pl.List(pl.Int64), "float64_list": pl.List(pl.Float64)}


def frame_of(view: View, rows: Mapping[str, State]) -> pl.DataFrame:
    """A view's frame of states by entity id."""
    schema = {view.join_key: pl.String()} | {n: _TYPES[k] for n, k in view.fields.items()}
    listed = [{view.join_key: entity_id, **state} for entity_id, state in rows.items()]
    return pl.DataFrame(listed, schema=schema)
