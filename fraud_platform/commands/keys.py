"""`predictflow keys create`, `list`, `rotate` and `revoke`."""

from datetime import UTC, datetime
from typing import Any, cast

import click
import msgspec

from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.keys import ApiKey, Scope, create_key, read_keys, revoke_key, rotate_key
from fraud_platform.settings import load_settings


def run_create(
    name: str, scopes: tuple[str, ...], days: float | None, rate: float | None, *, as_json: bool
) -> None:
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise PredictFlowError(f"--name {name!r} is not 1 to 64 printable characters")
    path = load_settings().keys_file
    made, key = create_key(path, name, cast("tuple[Scope, ...]", scopes), days, rate)
    _show(made, key, f"Key {made.id} ({name}) is kept, hashed, in {path}.", as_json=as_json)


def run_list(*, as_json: bool) -> None:
    path = load_settings().keys_file
    found, now = read_keys(path), datetime.now(UTC)
    if as_json:
        console.emit({"keys": [_public(key) for key in found]})
        return
    if not found:
        console.console.print(f"There are no keys in {console.plain(str(path))}.", soft_wrap=True)
        return
    rows = [
        (
            key.id,
            console.plain(key.name),
            ", ".join(key.scopes),
            _state(key, now),
            _day(key.created),
            "never" if key.expires is None else _day(key.expires),
            "default" if key.rate is None else f"{key.rate:g}/s",
        )
        for key in found
    ]
    columns = ("id", "name", "scopes", "state", "created (UTC)", "expires (UTC)", "rate")
    console.table("API keys", columns, rows, unfolded=("id",))


def run_rotate(key_id: str, hours: float, days: float | None, *, as_json: bool) -> None:
    made, key = rotate_key(load_settings().keys_file, key_id, hours, days)
    former = f"is taken for {hours:g} hours more" if hours else "is not taken any more"
    said = f"Key {made.id} ({made.name}) has a new secret; the former {former}."
    _show(made, key, said, as_json=as_json)


def run_revoke(key_id: str, *, as_json: bool) -> None:
    gone = revoke_key(load_settings().keys_file, key_id)
    if as_json:
        console.emit(_public(gone))
    else:
        click.echo(f"Key {gone.id} ({gone.name}) is revoked; running services know within 2 s.")


def _show(made: ApiKey, key: str, said: str, *, as_json: bool) -> None:
    """The key alone on standard output, so that it can be piped; words go to standard error."""
    if as_json:
        console.emit({**_public(made), "key": key})
        return
    click.echo(f"{said} It is shown this once:", err=True)
    click.echo(key)


def _public(key: ApiKey) -> dict[str, Any]:
    """What may be shown of a key; not even its hashes."""
    shown = msgspec.to_builtins(key)
    former = [one.until for one in key.hashes[1:] if one.until and one.until > datetime.now(UTC)]
    del shown["hashes"]
    return shown | {"state": key.state(datetime.now(UTC)), "former_secrets_until": former}


def _state(key: ApiKey, now: datetime) -> str:
    former = [one.until for one in key.hashes[1:] if one.until is not None and one.until > now]
    rotating = f", former secret until {_day(max(former))}" if former else ""
    return key.state(now) + rotating


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
