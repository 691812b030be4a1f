"""From landed decision records to rows of `prediction_log`, and back."""

from typing import Any

import msgspec
import polars as pl

from fraud_platform.contracts.decisions import Decision, LoggedReason, decode_decision
from fraud_platform.contracts.tables import PREDICTION_LOG

_SLICE = 50_000
"""Records that are Python's objects at a time: a day of them would take gigabytes."""

_SCHEMA = pl.DataFrame(PREDICTION_LOG.schema.empty_table()).schema
_AS_THEY_ARE = [name for name in _SCHEMA if name not in ("event_date", "reasons")]
_reasons = msgspec.json.Decoder(list[LoggedReason] | None)


def prediction_rows(landed: pl.DataFrame) -> pl.DataFrame:
    """One row a decision_id: of those landed twice the first.

    `landed` has event_date and raw of landed decisions, in landing order.
    """
    frames = [_decoded(part) for part in landed.iter_slices(_SLICE)]
    frame = pl.concat([pl.DataFrame(schema=_SCHEMA), *frames])
    once = frame.unique("decision_id", keep="first", maintain_order=True)
    return once.sort("event_date", *PREDICTION_LOG.sort_by)


def decision_of_row(row: dict[str, Any]) -> Decision:
    """The decision that a row of `prediction_log` was made of."""
    said = {name: row[name] for name in _AS_THEY_ARE}
    said["propensity"] = said["propensity"] or 1.0
    return Decision(**said, reasons=_reasons.decode(row["reasons"] or "null"))


def _decoded(landed: pl.DataFrame) -> pl.DataFrame:
    decisions = [decode_decision(raw) for raw in landed["raw"]]
    columns: dict[str, Any] = {
        name: pl.Series([getattr(one, name) for one in decisions], dtype=_SCHEMA[name])
        for name in _AS_THEY_ARE
    }
    reasons = [
        None if d.reasons is None else msgspec.json.encode(d.reasons).decode() for d in decisions
    ]
    columns["reasons"] = pl.Series(reasons, dtype=pl.String)
    columns["event_date"] = landed["event_date"]
    return pl.DataFrame(columns).select(_SCHEMA.names())
