"""What the online store holds of users, and what the lake says that it should hold."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec

from fraud_platform.clock import day_of, to_us
from fraud_platform.contracts.events import Transaction, amount_cents
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.snapshot import FrameStates, recent_rows
from fraud_platform.features.state import VIEWS, State
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform_tests.features.lake_of import tables
from fraud_platform_tests.features.oracle import Payment
from fraud_platform_tests.followers import transaction

Sent = dict[str, object]
RECENT = VIEWS[0]


def payments(count: int, first: int = 0, users: int = 7) -> list[Sent]:
    """Transactions of the last two days, some seconds apart, in the order of their time."""
    begin = datetime.now(UTC) - timedelta(hours=47)
    gap = timedelta(hours=46) / max(count + first, 1)
    return [
        transaction(n, user_id=f"u{n % users}", timestamp=(begin + n * gap).isoformat())
        for n in range(first, first + count)
    ]


def in_store(settings: Settings, users: Iterable[str]) -> dict[str, State]:
    """The users' recent events as a reader finds them."""
    names = sorted(users)
    with open_store(settings) as store:
        found = store.read([RECENT], names)
    return {user: state[RECENT.name] for user, state in zip(names, found, strict=True)}


def from_lake(sent: Iterable[Sent]) -> dict[str, State]:
    """The users' recent events as a rebuild from the lake finds them."""
    rows = [_payment(one) for one in sent]
    start = day_of(min(row.timestamp_us for row in rows))
    made = tables(CATALOGUE, rows, [], start, 5)
    end = max(row.timestamp_us for row in rows) + 1
    return dict(FrameStates(RECENT, recent_rows(CATALOGUE, made["transactions"], end)).items())


def hashes(settings: Settings, users: Iterable[str]) -> int:
    """How many events of these users the store has."""
    states = cast("dict[str, dict[str, list[int]]]", in_store(settings, users))
    return sum(len(state["transaction_hashes"]) for state in states.values())


def _payment(sent: Sent) -> Payment:
    read = msgspec.convert(sent, Transaction)
    return Payment(
        transaction_id=read.transaction_id,
        timestamp_us=to_us(read.timestamp),
        user_id=read.user_id,
        merchant_id=read.merchant_id,
        amount_cents=amount_cents(read.amount),
        device_id=read.device_id,
    )
