"""API keys: who may ask the service, and for what; hashed, in one JSON file.

A key is `pf_<id>_<secret>`. The secret has 256 random bits, which nobody finds from their hash
however fast it is made; so SHA-256 does, at a microsecond a request, where a password would need a
salt and a slow hash.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.errors import PredictFlowError

Scope = Literal["predict", "model:read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

ID_AT = slice(3, 11)
"""Where a key has its id."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Moment = Annotated[datetime, Meta(tz=True)]


class KeyHash(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SHA-256 of a whole key, and until when it is taken where it was rotated out."""

    sha256: Hash
    until: Moment | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a key: everything but the key."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    name: Name
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    created: Moment
    expires: Moment | None = None
    revoked: Moment | None = None
    rate: Annotated[float, Meta(ge=0.001, le=1e6)] | None = None
    """Transactions a second, where it is not the setting's."""
    hashes: Annotated[tuple[KeyHash, ...], Meta(min_length=1)]
    """The newest first."""

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it is taken at that moment."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class _Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[ApiKey, ...]
    version: Literal[1] = 1


def decode_keys(content: bytes, where: Path) -> tuple[ApiKey, ...]:
    """The keys in the bytes of the file `where`; raises PredictFlowError where they are none."""
    try:
        keys = msgspec.json.decode(content, type=_Contents).keys
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PredictFlowError(
            f"keys file {where}: {error}; put back a copy of it, or remove it and make new keys"
        ) from error
    if len({key.id for key in keys}) < len(keys):
        raise PredictFlowError(f"keys file {where}: two keys have one id; put back a copy of it")
    return keys


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """All keys, none where there is no file; raises PredictFlowError where it can't be read."""
    try:
        return decode_keys(path.read_bytes(), path)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PredictFlowError(
            f"keys file {path}: {error.strerror}; see to it that user {os.geteuid()} may read it"
        ) from error


def create_key(
    path: Path,
    name: str,
    scopes: tuple[Scope, ...],
    days: float | None = None,
    rate: float | None = None,
) -> tuple[ApiKey, str]:
    """Adds a key to the file, made where it is not there; what is kept of it, and the key.

    It expires after so many `days`, or never.
    """
    now = datetime.now(UTC)

    def add(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, str]:
        id_ = _another_id(keys)
        key, kept = _new_secret(id_)
        made = ApiKey(
            id=id_,
            name=name,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=now,
            expires=_after(now, days),
            rate=rate,
            hashes=(kept,),
        )
        return made, key

    return _edit(path, add)


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """Ends a key for good, with all its secrets; once more changes nothing."""
    now = datetime.now(UTC)

    def revoke(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, str]:
        key = _of(keys, key_id, path)
        return msgspec.structs.replace(key, revoked=key.revoked or now), ""

    return _edit(path, revoke)[0]


def rotate_key(
    path: Path, key_id: str, grace_hours: float, days: float | None = None
) -> tuple[ApiKey, str]:
    """Gives a key another secret; the former is taken for `grace_hours` more.

    With `days` it expires so many days from now, else when it would have. Id, name, scopes and rate
    stay. Raises PredictFlowError for a key that is revoked, or expired without new `days`.
    """
    now = datetime.now(UTC)
    last = now + timedelta(hours=grace_hours)

    def rotate(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, str]:
        former = _of(keys, key_id, path)
        state = former.state(now)
        if state == "revoked" or (state == "expired" and days is None):
            mend = "make a new one" if state == "revoked" else "say --expires DAYS"
            raise PredictFlowError(f"key {key_id} ({former.name}) is {state}: {mend}")
        key, kept = _new_secret(former.id)
        still = [
            msgspec.structs.replace(one, until=min(one.until or last, last))
            for one in former.hashes
            if (one.until or last) > now
        ]
        expires = _after(now, days) or former.expires
        return msgspec.structs.replace(former, expires=expires, hashes=(kept, *still)), key

    return _edit(path, rotate)


def _edit(
    path: Path, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, str]]
) -> tuple[ApiKey, str]:
    """Puts the key that `change` makes of the present ones into the file; what it returned."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            keys = read_keys(path)
            made, secret = change(keys)
            after = {key.id: key for key in keys} | {made.id: made}
            content = msgspec.json.format(msgspec.json.encode(_Contents(tuple(after.values()))))
            staged = path.with_name(f"{path.name}.new")
            write_durably(staged, content + b"\n", mode=0o600)
            staged.replace(path)
            sync_directory(path.parent)
    except OSError as error:
        raise PredictFlowError(
            f"keys file {path}: {error.strerror}; nothing was changed. See to it that user "
            f"{os.geteuid()} may write in {path.parent}, and that its disk has room"
        ) from error
    return made, secret


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds off other editors: two at once would each write what it alone knows."""
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _of(keys: tuple[ApiKey, ...], key_id: str, path: Path) -> ApiKey:
    for key in keys:
        if key.id == key_id:
            return key
    raise PredictFlowError(
        f"key {key_id!r} is not in {path}; `predictflow keys list` shows the ids"
    )


def _another_id(keys: tuple[ApiKey, ...]) -> str:
    taken = {key.id for key in keys}
    while (made := secrets.token_hex(4)) in taken:
        pass
    return made


def _new_secret(key_id: str) -> tuple[str, KeyHash]:
    key = f"pf_{key_id}_{secrets.token_hex(32)}"
    return key, KeyHash(sha256=hashlib.sha256(key.encode()).hexdigest())


def _after(now: datetime, days: float | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)
