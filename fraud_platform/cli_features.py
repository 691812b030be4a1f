"""The commands of `predictflow features`. Only click is imported here, as in `cli`."""

from datetime import datetime
from pathlib import Path

import click

from fraud_platform.cli_options import DAY, as_json


@click.group()
def features() -> None:
    """The feature catalogue: what it declares, the SQL it becomes, where a value came from."""


@features.command("show")
@click.argument("name", required=False)
@as_json
def features_show(name: str | None, as_json: bool) -> None:
    """List the features in the model's input order; with NAME say everything about one.

    \b
      predictflow features show
      predictflow features show user_tx_count_24h
    """
    from fraud_platform.commands.features import run_list, run_show  # noqa: PLC0415

    if name is None:
        run_list(as_json=as_json)
    else:
        run_show(name, as_json=as_json)


@features.command("sql")
@click.option(
    "--step",
    type=click.Choice(["tiles", "habits", "labels", "features"]),
    help="Only the statements of this step.",
)
@click.argument("table", required=False)
def features_sql(step: str | None, table: str | None) -> None:
    """Print the SQL that makes the features, in the order it runs; with TABLE that of one table.

    \b
      predictflow features sql > features.sql
      predictflow features sql --step labels
      predictflow features sql user_tiles
    """
    from fraud_platform.commands.features import run_sql  # noqa: PLC0415

    run_sql(step, table)


@features.command("explain")
@click.argument("transaction_id")
@click.option("--day", type=DAY, help="Its day in UTC; without it all days are looked through.")
@as_json
def features_explain(transaction_id: str, day: datetime | None, as_json: bool) -> None:
    """Say of a transaction's features where each came from; status 1 if one doesn't add up.

    Each value is computed anew from the payments, labels and other features that are shown, apart
    from the SQL that made it.

    \b
      predictflow features explain tx-1024
      predictflow features explain tx-1024 --day 2026-04-02 --json
    """
    from fraud_platform.commands.explain import run_explain  # noqa: PLC0415

    run_explain(transaction_id, day.date() if day else None, as_json=as_json)


@features.command("docs")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def features_docs(out: Path | None) -> None:
    """Print the catalogue as a page in Markdown, or write it.

    \b
      predictflow features docs --out docs/features.md
    """
    from fraud_platform.commands.features import run_docs  # noqa: PLC0415

    run_docs(out)
