"""Hashes that stand for users in the log: the same user the same hash, and no way back."""

import hashlib
import hmac
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from fraud_platform.settings import Settings

logger = logging.getLogger("predictflow.serving")


class LogHash:
    """HMAC-SHA-256 under the key of the settings, or under a random one of this start.

    Identifiers are few enough to try them all, so a hash without a key would hide nobody. A random
    key is kept in `runtime`, for all workers.
    """

    def __init__(self, settings: Settings, runtime: Path) -> None:
        given = settings.serving.log_hash_key.reveal().encode()
        self.is_random = not given
        self._key = given or _shared_key(runtime / "log_hash_key")

    def hashed(self, user_id: str) -> str:
        """16 hexadecimal digits."""
        return hmac.digest(self._key, user_id.encode(), "sha256").hex()[:16]

    def say(self) -> None:
        """Says in the log, where it holds, that another start makes other hashes."""
        if self.is_random:
            mend = "set PREDICTFLOW_SERVING_LOG_HASH_KEY to have the same ones after a restart"
            logger.info("log_hash_key_random", extra={"fields": {"mend": mend}})


def bucket_of(address: str) -> int:
    """A number that stands for an address in a table that ends with the service."""
    return int.from_bytes(hashlib.blake2b(address.encode(), digest_size=8).digest()) or 1


def _shared_key(path: Path) -> bytes:
    """The key in `path`, made by the first who asks: a link is there whole or not at all."""
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    with suppress(FileExistsError):
        os.link(staged, path)
    staged.unlink()
    return path.read_bytes()
