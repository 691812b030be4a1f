"""The commands of `predictflow alerts`. Only click is imported here, as in `cli`."""

import click

from fraud_platform.cli_options import as_json


@click.group()
def alerts() -> None:
    """Alerts: try their targets, see what was sent, send what waits, take one back.

    Targets (a Slack-compatible webhook, e-mail, PagerDuty) are settings of the section `alerts`;
    what is secret of them comes from the environment alone.
    """


@alerts.command("test")
@as_json
def alerts_test(as_json: bool) -> None:
    """Send one alert to each target and say how each fared; status 1 if one didn't take it.

    PagerDuty's incident is resolved at once. Nothing of it is kept.
    """
    from fraud_platform.commands.alerts import run_test  # noqa: PLC0415

    run_test(as_json=as_json)


@alerts.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@as_json
def alerts_list(limit: int, as_json: bool) -> None:
    """Show what was sent last, what waits for its target and why, and how many were dropped."""
    from fraud_platform.commands.alerts import run_list  # noqa: PLC0415

    run_list(limit, as_json=as_json)


@alerts.command("flush")
@as_json
def alerts_flush(as_json: bool) -> None:
    """Send what waits, until nothing does or a target fails; status 1 if something still waits."""
    from fraud_platform.commands.alerts import run_flush  # noqa: PLC0415

    run_flush(as_json=as_json)


@alerts.command("resolve")
@click.argument("key")
@as_json
def alerts_resolve(key: str, as_json: bool) -> None:
    """Tell the targets that the alert with that KEY is over; `predictflow alerts list` has keys."""
    from fraud_platform.commands.alerts import run_resolve  # noqa: PLC0415

    run_resolve(key, as_json=as_json)
