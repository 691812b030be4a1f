"""The commands of `predictflow decisions`. Only click is imported here, as in `cli`."""

from datetime import datetime

import click

from fraud_platform.cli_options import DAY, as_json

_day = click.option("--day", type=DAY, help="Its day in UTC; without it all days are looked at.")


@click.group()
def decisions() -> None:
    """What the service decided: the log of decisions, and each computed again.

    An ID is a decision's or a transaction's; of a transaction that was decided more than once each
    decision is taken. Rows are found in the lake and in files that aren't landed yet.
    """


@decisions.command("list")
@click.option("--day", type=DAY, help="Its day in UTC; by default the last that has any.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@as_json
def decisions_list(day: datetime | None, limit: int, as_json: bool) -> None:
    """Show the last decisions of a day, newest first."""
    from fraud_platform.commands.decisions import run_list  # noqa: PLC0415

    run_list(day.date() if day else None, limit, as_json=as_json)


@decisions.command("show")
@click.argument("id_", metavar="ID")
@_day
@as_json
def decisions_show(id_: str, day: datetime | None, as_json: bool) -> None:
    """Show all that is logged of a decision: the request, the features, the model, the verdict."""
    from fraud_platform.commands.decisions import run_show  # noqa: PLC0415

    run_show(id_, day.date() if day else None, as_json=as_json)


@decisions.command("replay")
@click.argument("id_", metavar="ID")
@_day
@click.option("--features", is_flag=True, help="Hold the vector against transaction_features too.")
@as_json
def decisions_replay(id_: str, day: datetime | None, features: bool, as_json: bool) -> None:
    """Compute a decision again from its logged features; status 1 if a bit differs.

    The model is the very one that decided, by version and sha256, from the bundles.

    \b
      predictflow decisions replay tx-1024
      predictflow decisions replay 0b7c... --features --json
    """
    from fraud_platform.commands.decisions import run_replay  # noqa: PLC0415

    run_replay(id_, day.date() if day else None, with_features=features, as_json=as_json)
