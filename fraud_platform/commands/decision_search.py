"""Decisions found in the lake, landed or made into days, and in files that aren't landed yet."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds

from fraud_platform.clock import day_of
from fraud_platform.contracts.decisions import Decision, DecisionError, decode_decision
from fraud_platform.contracts.tables import LANDED_EVENTS, PREDICTION_LOG
from fraud_platform.decision_segments import finished_segments, open_segments
from fraud_platform.errors import PredictFlowError
from fraud_platform.lake.counts import landed_counts
from fraud_platform.lake.predictions import decision_of_row
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings

_EVER = (date.min, date.max)
_LANDED = ds.field("kind") == "prediction"


def find_decisions(id_: str, day: date | None) -> list[Decision]:
    """The decisions of that decision_id or transaction_id, oldest first.

    Raises PredictFlowError where there is none, saying where it was looked for.
    """
    settings = load_settings()
    lake, span = Lake(settings.lake_dir), _span(day)
    made = lake.read(
        PREDICTION_LOG,
        *span,
        where=(ds.field("decision_id") == id_) | (ds.field("transaction_id") == id_),
    )
    found = {one.decision_id: one for one in map(decision_of_row, made.iter_rows(named=True))}
    # Of landed records only the bytes name the decision.
    names = pc.match_substring(ds.field("raw"), id_)  # pyright: ignore[reportAttributeAccessIssue]
    where = _LANDED & ((ds.field("transaction_id") == id_) | names)
    landed = [] if found else lake.read(LANDED_EVENTS, *span, columns=["raw"], where=where)["raw"]
    for one in [*map(decode_decision, landed), *_in_files(settings)]:
        in_span = day is None or day_of(one.decided_us) == day
        if in_span and id_ in (one.decision_id, one.transaction_id):
            found.setdefault(one.decision_id, one)
    if found:
        return sorted(found.values(), key=lambda one: one.decided_us)
    when = "" if day is None else f" on {day}"
    raise PredictFlowError(
        f"no decision {id_} is logged{when}: neither prediction_log nor landed_events has it, nor "
        f"the files in {settings.decisions_dir}; `predictflow decisions list` shows what is there, "
        "and setting serving.decision_log says whether the service logs (now "
        f"{settings.serving.decision_log!r})"
    )


def last_decisions(day: date | None, limit: int) -> tuple[date | None, list[Decision]]:
    """A day and its last decisions, newest first; by default the last day that has any."""
    settings = load_settings()
    lake = Lake(settings.lake_dir)
    fresh = list(_in_files(settings))
    landed_days = landed_counts(lake).get("prediction", {})
    days = [day_of(one.decided_us) for one in fresh] + list(landed_days)
    chosen = day or max(days, default=None)
    if chosen is None:
        return None, []
    found = {one.decision_id: one for one in fresh if day_of(one.decided_us) == chosen}
    made = lake.read(PREDICTION_LOG, *_span(chosen)).tail(limit)
    found |= {one.decision_id: one for one in map(decision_of_row, made.iter_rows(named=True))}
    if made.is_empty() and landed_days.get(chosen):
        landed = lake.read(LANDED_EVENTS, *_span(chosen), columns=["raw"], where=_LANDED)["raw"]
        found |= {one.decision_id: one for one in map(decode_decision, landed)}
    return chosen, sorted(found.values(), key=lambda one: -one.decided_us)[:limit]


def _span(day: date | None) -> tuple[date, date]:
    return _EVER if day is None else (day, day + timedelta(days=1))


def _in_files(settings: Settings) -> Iterator[Decision]:
    """The whole records of segments that are being written, that wait, or that are being landed."""
    folder = settings.decisions_dir
    staged = sorted(folder.glob("landing-*/*.ndjson"))
    for path in [*staged, *finished_segments(folder), *open_segments(folder)]:
        yield from _in_file(path)


def _in_file(path: Path) -> Iterator[Decision]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return  # it was landed, or got its final name, meanwhile
    for line in lines:
        try:
            yield decode_decision(line)
        except DecisionError:
            continue  # torn, or still being written; landing tells what it is
