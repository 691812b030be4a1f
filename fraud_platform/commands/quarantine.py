"""`predictflow quarantine`: what was rejected, why, and what became of it."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from fraud_platform.clock import from_us
from fraud_platform.commands import console
from fraud_platform.ingest.quarantine import (
    OPEN,
    Choice,
    filtered,
    find,
    read_bytes,
    read_records,
)
from fraud_platform.ingest.quarantine_edit import Corrections
from fraud_platform.ingest.quarantine_replay import Outcome, drop, replay
from fraud_platform.ingest.rows import count_reasons
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings

MOST = 50  # outcomes that are printed; --json gives all


def run_list(
    limit: int, source: str | None, reason: str | None, *, everything: bool, as_json: bool
) -> None:
    lake = Lake(load_settings().lake_dir)
    found = filtered(read_records(lake), source, reason)
    listed = found if everything else found.filter(OPEN)
    shown = [_document(row) for row in read_bytes(lake, listed.head(limit)).iter_rows(named=True)]
    reasons = count_reasons(listed["reason"])
    open_ones = found.filter(OPEN).height
    if as_json:
        counts = {"open": open_ones, "resolved": found.height - open_ones}
        console.emit({**counts, "reasons": dict(reasons.most_common()), "records": shown})
        return
    if not listed.height:
        chosen = source is not None or reason is not None
        console.console.print(f"The quarantine {'has no such record' if chosen else 'is empty'}.")
        if found.height:
            console.console.print(f"{found.height:,} were replayed or dropped: list --all")
        return
    columns = ("id", "source", "when", "reason", "record", *["resolved"][: int(everything)])
    console.table(
        f"{len(shown):,} of {listed.height:,} records ({open_ones:,} open, "
        f"{found.height - open_ones:,} resolved)",
        columns,
        [tuple(map(console.plain, _cells(one)))[: len(columns)] for one in shown],
    )
    _print_reasons(reasons)


def run_show(id_: str, *, raw: bool, as_json: bool) -> None:
    lake = Lake(load_settings().lake_dir)
    found = find(read_records(lake), id_)
    one = found.sort(OPEN, descending=True, maintain_order=True).head(1)
    (row,) = read_bytes(lake, one).iter_rows(named=True)
    if raw:
        click.echo(row["raw"], nl=False)
        return
    document = _document(row)
    if as_json:
        console.emit(document)
        return
    for name in ("id", "source", "source_id", "partition", "offset", "landed_at", "broker_time"):
        _print_field(name, document[name])
    for name in ("key", "reason", "resolution", "resolved_at"):
        _print_field(name, document[name])
    for name, content in (("record", row["raw"]), ("landed as", row["corrected"])):
        if content is not None:
            _print_field(name, "" if content else "(empty)")
            for line in _legible(content).splitlines():
                console.console.print(f"  {console.plain(line)}", soft_wrap=True)


def run_replay(
    choice: Choice, corrections: Corrections, *, labels: bool, dry_run: bool, as_json: bool
) -> None:
    settings = load_settings()
    lake = Lake(settings.lake_dir)
    with console.bars():
        outcomes = replay(settings, lake, choice, corrections, labels=labels, dry_run=dry_run)
    _report(outcomes, as_json=as_json, dry_run=dry_run)


def run_drop(choice: Choice, why: str, *, as_json: bool) -> None:
    with console.bars():
        outcomes = drop(Lake(load_settings().lake_dir), choice, why)
    _report(outcomes, as_json=as_json)


def _report(outcomes: Sequence[Outcome], *, as_json: bool, dry_run: bool = False) -> None:
    """Prints what became of each record, failures first; leaves with status 1 if there are any."""
    states = Counter(one.state for one in outcomes)
    failed = [one for one in outcomes if one.state == "failed"]
    if as_json:
        records = [msgspec.to_builtins(one) for one in outcomes]
        console.emit({"dry_run": dry_run, **states, "records": records})
    else:
        for one in sorted(outcomes, key=lambda one: one.state != "failed")[:MOST]:
            console.console.print(
                console.plain(f"{one.id} {one.state}: {one.says}"), soft_wrap=True
            )
        if len(outcomes) > MOST:
            console.console.print(f"... and {len(outcomes) - MOST:,} more; --json names each")
            _print_reasons(count_reasons(one.says for one in failed))
        counted = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        console.console.print(f"{counted}{' (dry run: nothing was written)' if dry_run else ''}")
    if failed:
        sys.exit(1)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    resolved = row["resolved_at_us"] is not None
    return {
        **{name: row[name] for name in ("id", "source", "source_id", "partition", "offset")},
        "landed_at": _moment(row["landed_at_us"]),
        "broker_time": _moment(row["broker_timestamp_us"]),
        "key": None if row["key"] is None else _text(row["key"]),
        "reason": row["reason"],
        "raw": _text(row["raw"]),
        "resolution": row["resolution"],
        "resolved_at": _moment(row["resolved_at_us"]) if resolved else None,
        "corrected": None if row["corrected"] is None else _text(row["corrected"]),
    }


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    when = one["landed_at"][:16].replace("T", " ")
    resolved = f"{one['resolved_at'][:10]} {one['resolution']}" if one["resolution"] else ""
    return one["id"], one["source"], when, one["reason"], one["raw"][:120], resolved


def _moment(us: int | None) -> str | None:
    return None if us is None else from_us(us).isoformat(timespec="seconds")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def _legible(content: bytes) -> str:
    """JSON with a line a field, its numbers as they were written; anything else as text."""
    try:
        return msgspec.json.format(content, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _text(content)


def _print_field(name: str, value: object) -> None:
    if value is not None:
        console.console.print(f"{name:<12} {console.plain(str(value))}", soft_wrap=True)


def _print_reasons(reasons: Counter[str]) -> None:
    for reason, count in reasons.most_common(10):
        console.console.print(f"  {count:,} x {console.plain(reason)}", soft_wrap=True)
