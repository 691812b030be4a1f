"""Secrets out of what is told: an error may name the address or the login that it is about."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import msgspec

from fraud_platform.settings.base import Secret
from fraud_platform.settings.sections import Settings


def redacted(settings: Settings, text: str) -> str:
    """The text with stars for every secret of the settings, and for passwords in secret URLs."""
    # The longest first: a password may be a part of its URL.
    for secret in sorted(set(_secrets(settings)), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


def _secrets(section: msgspec.Struct) -> Iterator[str]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, msgspec.Struct):
            yield from _secrets(value)
        elif isinstance(value, Secret) and value:
            yield from filter(None, _parts(value.reveal()))


def _parts(secret: str) -> Iterator[str]:
    yield secret
    try:
        parts = urlsplit(secret)
    except ValueError:  # no URL, so there is no part of one
        return
    if parts.scheme and parts.netloc:
        yield parts.password or ""
        yield unquote(parts.password or "")
        # A webhook's path is its secret.
        yield parts.path if len(parts.path) > 8 else ""
