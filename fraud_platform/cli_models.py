"""The commands of `predictflow models`. Only click is imported here, as in `cli`."""

import click

from fraud_platform.cli_options import as_json

_why = click.option("--why", required=True, metavar="TEXT", help="Why, for whoever asks later.")


@click.group()
def models() -> None:
    """Trained models: see and compare them, make one live, go back.

    A VERSION is the number that `list` shows, as 7 or v7. Every change of the live model stays in
    `history`, with who, when and why; the service follows within seconds.
    """


@models.command("list")
@as_json
def models_list(as_json: bool) -> None:
    """Show all models, newest first: version, day, state, metric, when it was trained.

    live answers; shadow is scored beside it; former was live before; refused did not pass the gate;
    candidate is any other.
    """
    from fraud_platform.commands.models import run_list  # noqa: PLC0415

    run_list(as_json=as_json)


@models.command("show")
@click.argument("version")
@as_json
def models_show(version: str, as_json: bool) -> None:
    """Show how one model was made, what it did on its test days, and what the gate said."""
    from fraud_platform.commands.models import run_show  # noqa: PLC0415

    run_show(version, as_json=as_json)


@models.command("compare")
@click.argument("first", metavar="VERSION")
@click.argument("second", metavar="VERSION")
@as_json
def models_compare(first: str, second: str, as_json: bool) -> None:
    """Show the metrics of two models side by side, each on its own test days."""
    from fraud_platform.commands.models import run_compare  # noqa: PLC0415

    run_compare(first, second, as_json=as_json)


@models.command("promote")
@click.argument("version")
@_why
@click.option("--force", is_flag=True, help="Past the gate's refusal, which is recorded.")
@click.option("--even-if-older", is_flag=True, help="Though a model of a later day is live.")
@as_json
def models_promote(version: str, why: str, force: bool, even_if_older: bool, as_json: bool) -> None:
    """Make a model live, if the gate lets it in.

    \b
      predictflow models promote 7 --why "the threshold suits the new limits"
      predictflow models promote 7 --force --why "v8 can't be compared: another catalogue"
    """
    from fraud_platform.commands.promotion import run_promote  # noqa: PLC0415

    run_promote(version, why, force=force, even_if_older=even_if_older, as_json=as_json)


@models.command("rollback")
@click.option("--why", default="rolled back by hand", metavar="TEXT", help="For whoever asks.")
@as_json
def models_rollback(why: str, as_json: bool) -> None:
    """Make the model live that was so before; again goes one further back.

    It needs nothing but the bundles. A model that was rolled back doesn't return by itself.
    """
    from fraud_platform.commands.promotion import run_rollback  # noqa: PLC0415

    run_rollback(why, as_json=as_json)


@models.command("publish")
@as_json
def models_publish(as_json: bool) -> None:
    """Put the live model where services fetch it from, in S3 (setting serving.bundles_url).

    Promotions and rollbacks do that themselves; this is for when S3 was away.
    """
    from fraud_platform.commands.promotion import run_publish  # noqa: PLC0415

    run_publish(as_json=as_json)


@models.command("history")
@as_json
def models_history(as_json: bool) -> None:
    """Show every promotion and rollback: what went live, in whose place, who, when and why."""
    from fraud_platform.commands.models import run_history  # noqa: PLC0415

    run_history(as_json=as_json)
