"""The API keys that the service takes at the moment, followed in their file while it runs."""

import asyncio
import hashlib
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from hmac import compare_digest
from ipaddress import ip_address
from math import ceil, inf
from pathlib import Path
from typing import Literal

import msgspec

from fraud_platform.errors import PredictFlowError
from fraud_platform.keys import ID_AT, ApiKey, decode_keys
from fraud_platform.settings import Settings
from serving.off_loop import BusyError, OffLoop

logger = logging.getLogger("predictflow.serving")

LOOK_S = 1.0
"""Most seconds between two looks at the file."""
_DEADLINE_S = 10.0

Fault = Literal["missing", "unknown", "expired", "revoked"]
"""Why a request has no key that is taken."""

_Stamp = tuple[int, ...]


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The key that a request came with, as handlers see it."""

    id: str
    name: str
    scopes: frozenset[str]
    rate: float
    """Transactions a second."""
    burst: float
    """Transactions at once after a rest."""
    bucket: int
    """Its name among the rate limits."""
    policy: bytes
    """Its header RateLimit-Policy."""


class _Held(msgspec.Struct, frozen=True):
    """A key with what decides whether it is taken, moments in seconds UTC."""

    info: KeyInfo | None
    hashes: tuple[tuple[bytes, float], ...]
    expires: float
    revoked: bool


_NOBODY = _Held(None, ((os.urandom(32), inf),), inf, revoked=False)
"""What an unknown id is compared with, so that it takes as long as a known one."""


class KeyRing:
    """The keys of the file in the settings.

    Without a file nobody needs a key, on loopback. Once there was one, `required` stays: where the
    file is gone or broken later, the keys of before hold. `runtime` has a copy of them for the
    workers that start then. Raises PredictFlowError where the file can't be read, or has to be
    there and is not, and there is no copy.
    """

    def __init__(self, settings: Settings, runtime: Path) -> None:
        self.fault: str | None = None
        """Why the file of the moment is not followed; None where it is, or there is none."""
        self.required = bool(_exposed(settings))
        self._settings = settings
        self._path = settings.keys_file
        self._copy = runtime / "keys.json"
        self._held: dict[bytes, _Held] = {}
        self._seen: _Stamp = (-1,)
        self._threads = OffLoop(_Nothing, threads=1, most=4)
        self._look_s = min(LOOK_S, settings.serving.poll_seconds)
        self._task: asyncio.Task[None] | None = None
        if self._copy.exists():
            self._hold(decode_keys(self._copy.read_bytes(), self._copy))
        self._take(*_look(self._path, self._seen))
        if self.fault is not None and not self._held:
            raise PredictFlowError(self.fault)

    def find(self, given: bytes, now_s: float) -> KeyInfo | Fault:
        """Whose key this is, or why it is none; `now_s` is the time in seconds UTC.

        Hashes are compared in constant time, and for an unknown id as for a known one.
        """
        digest = hashlib.sha256(given).digest()
        held = self._held.get(given[ID_AT], _NOBODY)
        until = None
        for known, end in held.hashes:
            if compare_digest(digest, known):
                until = end
        if until is None or held.info is None:
            return "unknown"
        if held.revoked:
            return "revoked"
        return held.info if now_s < min(until, held.expires) else "expired"

    def start(self) -> None:
        """Follows the file from now on."""
        self._task = asyncio.create_task(self._watch(), name="key-watcher")

    async def stop(self) -> None:
        """Ends the following; the keys stay."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._threads.close()

    async def look(self) -> None:
        """Looks once: takes the keys of a changed file, or says why not, once for each change."""
        path, seen = self._path, self._seen
        try:
            stamp, found = await self._threads.run(lambda _: _look(path, seen), _DEADLINE_S)
        except (TimeoutError, BusyError):
            said = f"keys file {path} did not answer within {_DEADLINE_S:g} s; look at its disk"
            stamp, found = (-2,), said
        if stamp != seen:
            self._take(stamp, found)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self.look()
            except Exception:  # a watcher that ended would take revoked keys for good
                logger.exception("look_failed")

    def _take(self, stamp: _Stamp, found: tuple[ApiKey, ...] | str | None) -> None:
        self._seen = stamp
        if isinstance(found, tuple):
            self.fault = None
            self._hold(found)
            content = {"version": 1, "keys": found}
            staged = self._copy.with_name(f"keys.json.{os.getpid()}")
            staged.touch(0o600)
            staged.write_bytes(msgspec.json.encode(content))
            staged.replace(self._copy)
            return
        gone = f"keys file {self._path} is not there" if self.required else None
        self.fault = found or gone
        if self.fault is not None and self._held:
            self.fault += "; the keys of before hold"
            logger.error("keys_refused", extra={"fields": {"reason": self.fault}})

    def _hold(self, keys: tuple[ApiKey, ...]) -> None:
        self._held = {key.id.encode(): self._made(key) for key in keys}
        self.required = True
        valid = sum(key.state(datetime.now(UTC)) == "valid" for key in keys)
        logger.info("keys_live", extra={"fields": {"keys": len(keys), "valid": valid}})

    def _made(self, key: ApiKey) -> _Held:
        serving = self._settings.serving
        rate = key.rate or serving.rate_per_second
        rest_s = serving.rate_burst / serving.rate_per_second
        burst = max(1.0, rate * rest_s)
        info = KeyInfo(
            id=key.id,
            name=key.name,
            scopes=frozenset(key.scopes),
            rate=rate,
            burst=burst,
            bucket=int(key.id, 16) + 1,  # 0 names none
            policy=b'"key";q=%d;w=%d' % (burst, ceil(burst / rate)),
        )
        hashes = tuple((bytes.fromhex(one.sha256), _seconds(one.until)) for one in key.hashes)
        return _Held(info, hashes, _seconds(key.expires), key.revoked is not None)


def check_hosts(settings: Settings) -> None:
    """Raises PredictFlowError for an address beyond this machine while there are no keys."""
    exposed = _exposed(settings)
    if exposed and not settings.keys_file.exists():
        raise PredictFlowError(
            f"setting {exposed} is no loopback address, and there are no API keys in "
            f"{settings.keys_file}: anybody could ask. Make a key with `predictflow keys create "
            "--name NAME --scope predict`, or listen on 127.0.0.1"
        )


def _exposed(settings: Settings) -> str:
    """The first setting that has the service listen beyond this machine, and its value."""
    serving = settings.serving
    hosts = {"serving.host": serving.host}
    if serving.admin_port is not None:
        hosts["serving.admin_host"] = serving.admin_host
    return next((f"{name}: {host}" for name, host in hosts.items() if not _is_loopback(host)), "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _look(path: Path, seen: _Stamp) -> tuple[_Stamp, tuple[ApiKey, ...] | str | None]:
    """The file's stamp and, where it is not the one seen, its keys or what is wrong with it."""
    stamp: _Stamp = ()
    try:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        return stamp, None if stamp == seen else decode_keys(path.read_bytes(), path)
    except FileNotFoundError:
        return (), None
    except PredictFlowError as error:
        return stamp, str(error)
    except OSError as error:
        said = f"keys file {path}: {error.strerror}; user {os.geteuid()} has to be able to read it"
        return (*stamp, error.errno or 0), said


def _seconds(moment: datetime | None) -> float:
    return inf if moment is None else moment.timestamp()


class _Nothing:
    def close(self) -> None: ...
