"""`predictflow status`. Only click is imported here, as in `cli`."""

import click

from fraud_platform.cli_options import as_json


@click.command()
@click.option("--days", type=click.IntRange(1, 30), default=14, show_default=True)
@click.option("--check", is_flag=True, help="Leave with status 1 where something needs a person.")
@as_json
def status(days: int, check: bool, as_json: bool) -> None:
    """Say how the platform stands: its model, the last days, drift, quality, and what to do.

    Gathered now from the lake, the reports and Dagster's history, with a look at whether the
    service answers at its address in the settings. The service's page /status shows the same.

    \b
      predictflow status
      predictflow status --check || mail -s "PredictFlow needs you" team@example.org
    """
    from fraud_platform.commands.status import run_status  # noqa: PLC0415

    run_status(days, check=check, as_json=as_json)
