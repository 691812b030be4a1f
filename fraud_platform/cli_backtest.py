"""The command `predictflow backtest`. Only click is imported here, as in `cli`."""

from datetime import datetime
from pathlib import Path

import click

from fraud_platform.cli_options import DAY, as_json

AT_LEAST_ONE, NOT_NEGATIVE = click.IntRange(min=1), click.IntRange(min=0)


@click.command()
@click.option("--from", "start", type=DAY, required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "end", type=DAY, required=True, help="Last day, YYYY-MM-DD.")
@click.option("--train-days", type=AT_LEAST_ONE, help="Days to fit on; as set by default.")
@click.option("--delay-days", type=NOT_NEGATIVE, help="Days left out after them; as set.")
@click.option("--validation-days", type=NOT_NEGATIVE, help="Days after these; as set.")
@click.option("--test-days", type=AT_LEAST_ONE, help="Last days, which are reported; as set.")
@click.option(
    "--every", type=AT_LEAST_ONE, default=1, show_default=True, help="Each n-th day only."
)
@click.option(
    "--from-registry",
    is_flag=True,
    help="Train nothing: take what runs of fraud_model and evaluation_report recorded.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for page, picture and figures; by default backtests/FROM_TO in data_dir.",
)
@as_json
def backtest(
    start: datetime,
    end: datetime,
    every: int,
    from_registry: bool,
    out: Path | None,
    as_json: bool,
    **sizes: int | None,
) -> None:
    """Train and test the models of past days, and draw their metrics over time.

    The model of a day sees the labels that were known at its end, and is tested on the last days
    whose labels were final then, as `fraud_model` and `evaluation_report` of that day would be.
    Nothing is registered or deployed, and nothing tuned. A day that no model can be trained for is
    named with its reason; status 1 if there is none at all.

    \b
      predictflow backtest --from 2026-03-31 --to 2026-04-14
      predictflow backtest --from 2026-03-01 --to 2026-05-31 --every 7 --train-days 60
      predictflow materialize --from 2026-03-31 --to 2026-04-14 \\
        --select fraud_model,evaluation_report
      predictflow backtest --from 2026-03-31 --to 2026-04-14 --from-registry
    """
    given = {name: value for name, value in sizes.items() if value is not None}
    if from_registry and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{options}: models of the registry have the sizes they have")
    from fraud_platform.commands.backtest import run_backtest  # noqa: PLC0415

    source = None if from_registry else given
    run_backtest(start.date(), end.date(), every, source, out, as_json=as_json)
