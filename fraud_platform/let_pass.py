"""Some would-be blocks let pass at random, so that it is known what blocked payments are.

Nobody learns whether a blocked payment would have been a fraud, so on what was allowed alone recall
and precision are wrong. Those let pass stand for all: each counts the inverse of its propensity,
the probability of what was done (Horvitz, Thompson, A Generalization of Sampling Without
Replacement from a Finite Universe, JASA 47, 1952). `propensity` weighs by it.
"""

import hmac
from typing import NamedTuple

from fraud_platform.contracts.decisions import Action

_BITS = 53
"""Bits of a draw: shares of so many are exact in float64, and so are their complements to 1."""


class Taken(NamedTuple):
    """What the caller is told to do, the probability that it was this, and the amount in cents
    over which nothing was drawn (None where there is no limit)."""

    action: Action
    propensity: float
    limit_cents: int | None


class LetPass:
    """Lets a share of would-be blocks pass, those up to `limit_cents` where there is a limit.

    The draw is HMAC-SHA-256 of the transaction_id under `key`: the same for a request that comes
    again, with whatever content, by every worker and after a restart, and nobody without the key
    can tell it beforehand.
    """

    def __init__(self, share: float, limit_cents: int | None, key: bytes) -> None:
        self._below = round(share * 2**_BITS)
        self._key = key
        self._limit_cents = limit_cents if self._below else None
        share = self._below / 2**_BITS
        self._allowed = Taken("allow", 1.0, self._limit_cents)
        self._sure = Taken("block", 1.0, self._limit_cents)
        self._passed = Taken("allow", share, self._limit_cents)
        self._blocked = Taken("block", 1 - share, self._limit_cents)

    def taken(self, *, is_fraud: bool, transaction_id: str, amount_cents: int) -> Taken:
        """The action on a transaction that was, or wasn't, called fraud."""
        if not is_fraud:
            return self._allowed
        above = self._limit_cents is not None and amount_cents > self._limit_cents
        if above or not self._below:
            return self._sure
        digest = hmac.digest(self._key, transaction_id.encode(), "sha256")
        drawn = int.from_bytes(digest[:8]) >> (64 - _BITS)
        return self._passed if drawn < self._below else self._blocked


def share_of(action: Action, propensity: float) -> float:
    """The share of would-be blocks let pass where this was drawn; 0 where nothing was."""
    return 1 - propensity if action == "block" else propensity % 1
