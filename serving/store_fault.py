"""What can be wrong with the online store, and what is known of a request then."""

from typing import Literal, Protocol

from fraud_platform.features.state import VIEWS, State

FaultKind = Literal["missing", "locked", "unreadable", "late", "busy"]

FAULT_TEXTS: dict[FaultKind, str] = {
    "missing": "the online store is not there",
    "locked": "the online store is locked by a writer",
    "unreadable": "the online store cannot be read",
    "late": "the online store did not answer in time",
    "busy": "all readers of the online store are held up",
}

Context = dict[str, State]
"""The states of a request's user and merchant by view name."""

NOTHING_KNOWN: Context = {view.name: view.empty for view in VIEWS}
"""The context of a stranger, and of everybody while the store is at fault."""


class StoreFaultError(Exception):
    """The store is at fault; the text is for the log and shows no password."""

    def __init__(self, kind: FaultKind, cause: str) -> None:
        super().__init__(cause)
        self.kind: FaultKind = kind


class Reader(Protocol):
    """A way to the online store."""

    @property
    def where(self) -> str:
        """Where the store is, for the log."""
        ...

    async def read(self, user_id: str, merchant_id: str) -> Context:
        """The state of a user and a merchant within the reader's deadline.

        Raises TimeoutError at the deadline, BusyError where too many wait already, and
        StoreFaultError for everything else.
        """
        ...

    async def close(self) -> None: ...
