"""Services that ask for keys."""

from fraud_platform.keys import Scope, create_key
from fraud_platform.settings import Settings

SCOPES: tuple[Scope, ...] = ("predict", "model:read", "admin")


def key(settings: Settings, *scopes: Scope, rate: float | None = None) -> str:
    """A new key with these scopes, `predict` by default."""
    return create_key(settings.keys_file, "test", scopes or ("predict",), rate=rate)[1]


def id_of(given: str) -> str:
    """The id in a key."""
    return given.split("_")[1]


def bearer(given: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {given}"}
