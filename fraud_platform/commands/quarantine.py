"""`predictflow quarantine`: what was rejected, and why."""

from datetime import date

import pyarrow.dataset as ds
from rich.markup import escape

from fraud_platform.clock import from_us
from fraud_platform.commands import console
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings


def run_list(limit: int, *, as_json: bool) -> None:
    frame = (
        Lake(load_settings().lake_dir)
        .read(
            LANDED_EVENTS,
            date.min,
            date.max,
            columns=["landed_at_us", "source", "partition", "offset", "reason", "raw"],
            where=ds.field("kind") == "rejected",
        )
        .sort("landed_at_us", "offset", descending=[True, False])
    )
    shown = [
        {
            "landed_at": from_us(row["landed_at_us"]).isoformat(timespec="seconds"),
            "source": row["source"],
            "partition": row["partition"],
            "offset": row["offset"],
            "reason": row["reason"],
            "raw": row["raw"].decode("utf-8", "backslashreplace"),
        }
        for row in frame.head(limit).iter_rows(named=True)
    ]
    if as_json:
        console.emit({"rejected": frame.height, "records": shown})
        return
    if not shown:
        console.console.print("The quarantine is empty.")
        return
    rows = [
        tuple(_plain(text) for text in (r["source"], str(r["offset"]), r["reason"], r["raw"][:120]))
        for r in shown
    ]
    console.table(
        f"{len(shown)} of {frame.height:,} rejected", ("source", "offset", "reason", "record"), rows
    )


def _plain(text: str) -> str:
    """The text without what a terminal would obey: control characters and rich's markup."""
    printable = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return escape("".join(printable))
