"""The online state: what is kept of each user and merchant so that a vector can be computed.

One writer a view. Windows up to 24 h are counted from `user_recent`; what looks further back is in
daily tiles that carry the day up to which they are complete; label figures carry their hour.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import msgspec

Kind = Literal["int64", "int64_list"]

PROJECT = "predictflow"
"""The Feast project."""


class UserRecent(msgspec.Struct, frozen=True, kw_only=True):
    """A user's events of the last 72 h, oldest first; the lists run in parallel."""

    timestamps_us: list[int] = []
    amounts_cents: list[int] = []
    device_hashes: list[int] = []
    """0 where the transaction named no device."""
    transaction_hashes: list[int] = []


class UserDaily(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a user up to, but not including, the day that starts at `as_of_us`."""

    as_of_us: int = 0
    last_timestamp_us: int = 0
    """0 where the user has no transaction in the window."""
    device_hashes: list[int] = []
    device_last_us: list[int] = []


class MerchantLabels(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's labels known in the 28 days before the hour that starts at `as_of_us`."""

    as_of_us: int = 0
    labels: int = 0
    frauds: int = 0


State = UserRecent | UserDaily | MerchantLabels


@dataclass(frozen=True)
class View:
    """An online view: its name in the store, the entity that keys it, the state that it holds."""

    name: str
    entity: Literal["user", "merchant"]
    state: type[UserRecent] | type[UserDaily] | type[MerchantLabels]

    @property
    def join_key(self) -> str:
        return f"{self.entity}_id"

    @property
    def table(self) -> str:
        """The view's table in Feast's SQLite online store."""
        return f"{PROJECT}_{self.name}"

    @property
    def fields(self) -> dict[str, Kind]:
        """Field name to kind, in the order of the state's fields."""
        return {
            field.name: "int64" if field.type is int else "int64_list"
            for field in msgspec.structs.fields(self.state)
        }


USER_RECENT = View("user_recent", "user", UserRecent)
USER_DAILY = View("user_daily", "user", UserDaily)
MERCHANT_LABELS = View("merchant_labels", "merchant", MerchantLabels)
VIEWS = (USER_RECENT, USER_DAILY, MERCHANT_LABELS)


def identifier_hash(identifier: str | None) -> int:
    """A stable signed 64-bit hash of an identifier; 0 stands for none.

    Devices and transactions are compared by it alone: with a thousand devices a user the chance
    of one collision is below 1e-13.
    """
    if identifier is None:
        return 0
    digest = blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
