"""The commands of `predictflow drill`. Only click is imported here, as in `cli`."""

from pathlib import Path

import click

from fraud_platform.cli_options import as_json


@click.group()
def drill() -> None:
    """Drills: see for yourself that the platform copes, on a world of its own."""


@drill.command("drift")
@click.option(
    "--in",
    "folder",
    type=click.Path(path_type=Path),
    help="Data directory, new or empty; by default .predictflow-drill-TIME here.",
)
@click.option(
    "--quiet-days",
    type=click.IntRange(0, 90),
    default=30,
    show_default=True,
    help="Days before the shift, on which no alarm and no training may come.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which world.")
@click.option("--keep/--remove", default=True, help="What becomes of the directory; kept if not.")
@as_json
def drill_drift(folder: Path | None, quiet_days: int, seed: int, keep: bool, as_json: bool) -> None:
    """Fraudsters change their ways; the platform finds out, trains, judges, deploys, answers.

    Real parts on a simulated world: Dagster's daemon with the drift sensor, the gate, the service.
    The quiet days come first. Labels are known two days after the payment instead of seven, which
    saves five days of waiting; nothing is trained or judged on a label before it is known. The
    story goes to the terminal and to story.log. Status 0 only if all of it happened in order.

    \b
      predictflow drill drift
      predictflow drill drift --quiet-days 0
    """
    from fraud_platform.commands.drill import run_drill  # noqa: PLC0415
    from fraud_platform.commands.drill_world import Plan  # noqa: PLC0415

    run_drill(folder, Plan(quiet=quiet_days, seed=seed), keep=keep, as_json=as_json)
