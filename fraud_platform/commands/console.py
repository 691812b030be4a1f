"""What the commands print: bars while work goes on, tables and one JSON document at its end."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from fraud_platform import progress

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120  # a log has no width of its own; 80 would fold the tables


@contextmanager
def bars() -> Iterator[None]:
    """Shows every reported stage as a bar on standard error while the block runs.

    Where standard error is no terminal, each stage is one line when it is done.
    """
    with _standard_error() as stream:
        status = Console(file=stream, highlight=False)
        shown = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=status,
            disable=not status.is_terminal,
        )
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=total or None)
            shown.update(tasks[stage], completed=done, total=total or None)
            if not status.is_terminal and total and done >= total:
                status.print(f"  {stage}: {done:,}")

        with shown, progress.listening(show):
            yield


def _standard_error() -> AbstractContextManager[IO[str]]:
    """Standard error by a handle of our own: Dagster turns the usual one into a step's log."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w")
    except OSError:  # it is no file, as under a test runner
        return nullcontext(sys.stderr)


def emit(document: Mapping[str, Any]) -> None:
    """Prints a JSON document on standard output."""
    click.echo(json.dumps(document, default=str))


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    unfolded: Sequence[str] = (),
) -> None:
    """Prints a table; numbers are right-aligned, and these columns stay on one line."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        justify = "right" if numeric else "left"
        shown.add_column(name, justify=justify, overflow="fold", no_wrap=name in unfolded)
    for row in rows:
        shown.add_row(*(f"{v:,}" if isinstance(v, int | float) else str(v) for v in row))
    console.print(shown)


def plain(text: str) -> str:
    """The text without what a terminal would obey: control characters and rich's markup."""
    printable = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return escape("".join(printable))
