"""What can be wrong with the online store, and what is known of a request then."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from fraud_platform.clock import to_us
from fraud_platform.features.state import VIEWS, State
from fraud_platform.online.store import by_entity

FaultKind = Literal["missing", "locked", "unreadable", "late", "busy", "open", "stale"]

FAULT_TEXTS: dict[FaultKind, str] = {
    "missing": "the online store is not there",
    "locked": "the online store is locked by a writer",
    "unreadable": "the online store cannot be read",
    "late": "the online store did not answer in time",
    "busy": "all readers of the online store are held up",
    "open": "the online store did not answer several times in a row and is not asked just now",
    "stale": "the stream of payments is behind",
}

Context = dict[str, State]
"""The states of a request's user and merchant by view name."""

NOTHING_KNOWN: Context = {view.name: view.empty for view in VIEWS}
"""The context of a stranger, and of everybody while the store is at fault."""

STORED_VIEWS = tuple(view for group in by_entity(VIEWS) for view in group)
"""The views in the order that a reader gives their values in: those of users first."""

Asked = tuple[str, str]
"""A user's and a merchant's id."""

StoredValues = Sequence[bytes | None]
"""The stored values of all fields of STORED_VIEWS in order, of one user and one merchant."""

AGED = tuple(view for view in VIEWS if view.name != "user_recent")
"""The views whose moments say how old a state is; recent events may have come since theirs."""


class Fetched(NamedTuple):
    """What is stored of those asked for, one place each, and the oldest moment that one of AGED is
    as of, in microseconds UTC; None where none of them has any row."""

    rows: Sequence[StoredValues]
    as_of_us: int | None


class StoreFaultError(Exception):
    """The store is at fault; the text is for the log and shows no password.

    It is `unreachable` where it answered nothing, rather than something that will not do.
    """

    def __init__(self, kind: FaultKind, cause: str, *, unreachable: bool = False) -> None:
        super().__init__(cause)
        self.kind: FaultKind = kind
        self.unreachable = unreachable


class Reader(Protocol):
    """A way to the online store."""

    @property
    def where(self) -> str:
        """Where the store is, for the log."""
        ...

    async def fetch(self, asked: Sequence[Asked], deadline_s: float) -> Fetched:
        """What is stored of users and merchants, in one round trip.

        Raises TimeoutError at the deadline, BusyError where too many wait already, and
        StoreFaultError for everything else.
        """
        ...

    async def read_until_us(self, deadline_s: float) -> int | None:
        """Up to when the stream of payments was read, in microseconds UTC; None where it never was.

        Raises what `fetch` raises.
        """
        ...

    async def close(self) -> None: ...


class Oldest:
    """The moment of the view that is the furthest behind; the same markers are read once."""

    def __init__(self) -> None:
        self._markers: Sequence[str | None] = ()
        self._oldest: int | None = None

    def of(self, markers: Sequence[str | None]) -> int | None:
        """The first of these RFC 3339 moments in microseconds UTC; None where there is none."""
        if markers != self._markers:
            moments = [to_us(datetime.fromisoformat(marker)) for marker in markers if marker]
            self._markers, self._oldest = markers, min(moments, default=None)
        return self._oldest
