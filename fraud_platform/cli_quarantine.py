"""The commands of `predictflow quarantine`. Only click is imported here, as in `cli`."""

from collections.abc import Callable
from typing import IO, Any

import click

from fraud_platform.cli_options import as_json

_source = click.option("--source", metavar="NAME", help="Only records of this file or topic.")
_reason = click.option(
    "--reason",
    metavar="TEXT",
    help="Only records whose reason has this in it; … stands for any text.",
)


def _chosen[Function: Callable[..., Any]](function: Function) -> Function:
    """The arguments that choose records, as a Choice takes them."""
    everything = click.option("--all", "everything", is_flag=True, help="Every open record.")
    ids = click.argument("ids", nargs=-1, metavar="[ID]...")
    return ids(_source(_reason(everything(function))))


@click.group()
def quarantine() -> None:
    """Records that could not be taken: see them, correct and replay them, or drop them.

    An id is SOURCE:PARTITION:OFFSET, of the source as many characters as make it the only one.
    Nothing is ever deleted: what was replayed or dropped stays, with how and why, in `list --all`.
    """


@quarantine.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many records to show.",
)
@_source
@_reason
@click.option("--all", "everything", is_flag=True, help="Those replayed or dropped, too.")
@as_json
def quarantine_list(
    limit: int, source: str | None, reason: str | None, everything: bool, as_json: bool
) -> None:
    """Show open records, newest first: id, source, when, why, and how it begins.

    An id ends in the partition and the offset; of a file these are 0 and the record's number.
    """
    from fraud_platform.commands.quarantine import run_list  # noqa: PLC0415

    run_list(limit, source, reason, everything=everything, as_json=as_json)


@quarantine.command("show")
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the record's bytes themselves.")
@as_json
def quarantine_show(id_: str, raw: bool, as_json: bool) -> None:
    """Show everything about one record.

    \b
      predictflow quarantine show 1a2b3c4d:0:1234
      predictflow quarantine show 1a2b3c4d:0:1234 --raw > record.json
    """
    from fraud_platform.commands.quarantine import run_show  # noqa: PLC0415

    run_show(id_, raw=raw, as_json=as_json)


@quarantine.command("replay")
@_chosen
@click.option("--set", "sets", metavar="FIELD=JSON", multiple=True, help="Set a field.")
@click.option("--rename", "renames", metavar="OLD=NEW", multiple=True, help="Rename a field.")
@click.option("--remove", "removes", metavar="FIELD", multiple=True, help="Remove a field.")
@click.option("--quote", "quotes", metavar="FIELD", multiple=True, help='17 becomes "17".')
@click.option("--unquote", "unquotes", metavar="FIELD", multiple=True, help='"12.5" becomes 12.5.')
@click.option(
    "--record",
    type=click.File("rb"),
    help="File with the whole corrected record as JSON, for one id; - is standard input.",
)
@click.option("--labels", is_flag=True, help="Records of files are labels, not transactions.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing.")
@as_json
def quarantine_replay(
    ids: tuple[str, ...],
    source: str | None,
    reason: str | None,
    everything: bool,
    record: IO[bytes] | None,
    labels: bool,
    dry_run: bool,
    as_json: bool,
    **corrections: tuple[str, ...],
) -> None:
    """Land records by the contract as it is today, corrected as you say; status 1 if one fails.

    A record that still fails stays open. One that is taken is landed once, however often and by
    however many it is replayed at once, and its day takes it in as it does late data.

    \b
      predictflow quarantine replay 1a2b3c4d:0:1234 --set amount=12.5
      predictflow quarantine replay --source transactions --rename userId=user_id --dry-run
      predictflow quarantine replay --reason "at `$.amount`" --unquote amount
      predictflow quarantine replay 1a2b3c4d:0:1234 --record corrected.json
    """
    from fraud_platform.commands.quarantine import run_replay  # noqa: PLC0415
    from fraud_platform.ingest.quarantine import Choice  # noqa: PLC0415
    from fraud_platform.ingest.quarantine_edit import parse_corrections  # noqa: PLC0415

    run_replay(
        Choice(ids, source, reason, everything),
        parse_corrections(**corrections, record=record.read() if record else None),
        labels=labels,
        dry_run=dry_run,
        as_json=as_json,
    )


@quarantine.command("drop")
@_chosen
@click.option("--why", required=True, metavar="TEXT", help="Why, for whoever asks later.")
@as_json
def quarantine_drop(
    ids: tuple[str, ...],
    source: str | None,
    reason: str | None,
    everything: bool,
    why: str,
    as_json: bool,
) -> None:
    """Close records without landing them; they stay in `list --all`, with why.

    \b
      predictflow quarantine drop --reason "amount … is not over 0" --why "test payments"
    """
    from fraud_platform.commands.quarantine import run_drop  # noqa: PLC0415
    from fraud_platform.ingest.quarantine import Choice  # noqa: PLC0415

    run_drop(Choice(ids, source, reason, everything), why, as_json=as_json)
