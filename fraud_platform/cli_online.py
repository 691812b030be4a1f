"""`predictflow online` and `predictflow parity`. Only click is imported here, as in `cli`."""

import os
import sys
from datetime import UTC, datetime

import click

from fraud_platform.cli_options import DAY, as_json


@click.group()
def online() -> None:
    """The online store, from which the service takes what it knows."""


@online.command()
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="A moment with a zone, such as 2026-03-01T10:00:00Z; now by default.",
)
@as_json
def rebuild(as_of: str | None, as_json: bool) -> None:
    """Restore the whole online store from the lake.

    For a store that was flushed, lost or replaced. Rows are replaced one by one, so the service can
    go on meanwhile. Rebuilding again changes nothing.
    """
    from fraud_platform.commands.online import run_rebuild  # noqa: PLC0415

    run_rebuild(_moment(as_of), as_json=as_json)


@click.command()
@click.option("--from", "start", required=True, type=DAY, help="First day, as 2026-03-01.")
@click.option("--to", "end", required=True, type=DAY, help="Last day.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="one a core",
    help="Processes, each with some of the users.",
)
@click.option(
    "--redis-database",
    type=click.IntRange(min=0),
    help="Replay on this empty database of the configured Redis instead of on SQLite; one process.",
)
@as_json
def parity(
    start: datetime, end: datetime, jobs: int, redis_database: int | None, as_json: bool
) -> None:
    """Replay days through the online path and compare with transaction_features, bit by bit.

    Each transaction is asked about at its own time, on an online store made for this, and then
    takes its place among its user's recent events, as the stream worker does it. Exit status 1 if
    a single bit differs.
    """
    from fraud_platform.commands.parity import run_parity  # noqa: PLC0415

    found = run_parity(start.date(), end.date(), redis_database, jobs, as_json=as_json)
    sys.exit(1 if found.differing else 0)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise click.BadParameter(f"{text!r} is no moment with a zone, such as 2026-03-01T10:00:00Z")
    return found.astimezone(UTC)
