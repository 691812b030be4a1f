"""The commands of `predictflow keys`. Only click is imported here, as in `cli`."""

import click

from fraud_platform.cli_options import Number, as_json

_MOST_DAYS = 36_500
_days = Number(min=0, min_open=True, max=_MOST_DAYS)


@click.group()
def keys() -> None:
    """API keys of the service: make, list, rotate, revoke.

    With the first key the service asks for one, and may listen beyond this machine. It follows
    every change within two seconds. A key is shown once, when it is made: only its hash is kept.
    """


@keys.command("create")
@click.option("--name", required=True, metavar="TEXT", help="Whose it is, for who reads the list.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["predict", "model:read", "admin"]),
    help="What it may do, more than once for more; admin may do all.",
)
@click.option("--expires", "days", type=_days, metavar="DAYS", help="Days it lasts; else for good.")
@click.option(
    "--rate",
    type=Number(min=0.001, max=1e6),
    metavar="NUMBER",
    help="Transactions a second, where it is not to be serving.rate_per_second.",
)
@as_json
def keys_create(
    name: str, scopes: tuple[str, ...], days: float | None, rate: float | None, as_json: bool
) -> None:
    """Make a key and print it, once, alone on standard output.

    \b
      predictflow keys create --name checkout --scope predict --expires 90 > checkout.key
      predictflow keys create --name prometheus --scope admin
    """
    from fraud_platform.commands.keys import run_create  # noqa: PLC0415

    run_create(name, scopes, days, rate, as_json=as_json)


@keys.command("list")
@as_json
def keys_list(as_json: bool) -> None:
    """Show all keys: id, name, scopes, whether they are taken, until when; never a secret."""
    from fraud_platform.commands.keys import run_list  # noqa: PLC0415

    run_list(as_json=as_json)


@keys.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--grace",
    "hours",
    type=Number(min=0, max=24 * _MOST_DAYS),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long the former secret is still taken.",
)
@click.option("--expires", "days", type=_days, metavar="DAYS", help="Days from now it lasts.")
@as_json
def keys_rotate(key_id: str, hours: float, days: float | None, as_json: bool) -> None:
    """Give a key a new secret, printed once, under the id that it has.

    Until the grace is over both are taken, so that no request fails while clients change.

    \b
      predictflow keys rotate 1f0c33ab --grace 48 > checkout.key
    """
    from fraud_platform.commands.keys import run_rotate  # noqa: PLC0415

    run_rotate(key_id, hours, days, as_json=as_json)


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@as_json
def keys_revoke(key_id: str, as_json: bool) -> None:
    """End a key for good, with all its secrets."""
    from fraud_platform.commands.keys import run_revoke  # noqa: PLC0415

    run_revoke(key_id, as_json=as_json)
