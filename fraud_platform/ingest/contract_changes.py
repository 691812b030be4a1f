"""What the last records say of their producers: fields of another type, fields that are new."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import day_of
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.contract_decoder import TYPE_CHANGED
from fraud_platform.ingest.rows import count_reasons, now_us
from fraud_platform.lake.store import Lake

SINCE = timedelta(hours=24)
_RECORD = ["source_id", "partition", "offset"]


@dataclass
class Changes:
    """What 24 hours brought; a rejected record that was replayed or dropped since doesn't count.

    `types` are the reasons of records of another type and how often each occurred, `examples` the
    first record of each as `source/partition@offset`, `fields` the new fields by source.
    """

    types: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)


def contract_changes(lake: Lake) -> Changes:
    """Reads the days that the last 24 hours touch, of the few kinds that matter, without bytes."""
    now = now_us()
    since = now - SINCE // timedelta(microseconds=1)
    found = lake.read(
        LANDED_EVENTS,
        day_of(since),
        day_of(now) + timedelta(days=1),
        columns=["kind", "source", *_RECORD, "landed_at_us", "reason"],
        where=ds.field("kind").isin(["rejected", "resolved", "schema"]),
    )
    recent = found.filter(pl.col("landed_at_us") >= since)
    changes = Changes()
    # A log that lost its end gives offsets out again: a resolution speaks of what was before it.
    resolved = (
        found.filter(kind="resolved").group_by(_RECORD).agg(resolved=pl.col("landed_at_us").max())
    )
    changed = (
        recent.filter(pl.col("kind") == "rejected", pl.col("reason").str.starts_with(TYPE_CHANGED))
        .join(resolved, on=_RECORD, how="left", maintain_order="left")
        .filter((pl.col("landed_at_us") > pl.col("resolved")).fill_null(value=True))
        .group_by("reason", maintain_order=True)
        .agg(pl.len(), pl.format("{}/{}@{}", "source", "partition", "offset").first())
    )
    for reason, count, first in changed.iter_rows():
        (general,) = count_reasons([reason])
        changes.types[general] += count
        changes.examples.setdefault(general, first)
    new = recent.filter(kind="schema").select("source", "reason").unique(maintain_order=True)
    for source, reason in new.iter_rows():
        changes.fields.setdefault(source, []).append(reason)
    return changes
