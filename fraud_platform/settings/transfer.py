"""Settings as bytes, for a process that is started with the settings of another."""

from typing import Any

import msgspec

from fraud_platform.settings.base import Secret
from fraud_platform.settings.loading import decode_value
from fraud_platform.settings.sections import Settings


def to_bytes(settings: Settings) -> bytes:
    """One line of JSON with the secrets in it: for a pipe, never for a file or an argument."""
    return msgspec.json.encode(settings, enc_hook=_plain)


def from_bytes(raw: bytes) -> Settings:
    """The settings that `to_bytes` wrote."""
    return msgspec.json.decode(raw, type=Settings, dec_hook=decode_value)


def _plain(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)
