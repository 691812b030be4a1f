"""Users' recent events in the online store: what payments change of them, read and written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from math import nan
from typing import NamedTuple

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import Lists, Moment, moment_of, with_events
from fraud_platform.features.state import State, views
from fraud_platform.online import OnlineStore
from fraud_platform.stream.habits import Habits
from fraud_platform.stream.payments import Payment


class Changes(NamedTuple):
    """Rows of `user_recent` that payments change, by user, and which payments those were.

    `known` is how many were there already, or lie more than 72 h before the user's newest.
    """

    rows: dict[str, State]
    added: list[Payment]
    known: int


class RecentEvents:
    """The view `user_recent` of an open store; every method raises what the store raises."""

    def __init__(self, store: OnlineStore, catalogue: Catalogue = CATALOGUE) -> None:
        self._store, self._catalogue = store, catalogue
        self._habits = Habits(catalogue)
        self.view = views(catalogue)[0]
        self._unknown = dict.fromkeys(catalogue.looked_back, nan)

    def as_of(self) -> datetime | None:
        """When the whole view was written last; None where it never was, or was lost since."""
        return self._store.written_as_of(self.view)

    def changes(self, payments: Sequence[Payment]) -> Changes:
        """What payments, in any order, change of the rows as they are now; one round trip."""
        by_user: defaultdict[str, list[Payment]] = defaultdict(list)
        for payment in payments:
            by_user[payment.user_id].append(payment)
        try:
            read = self._store.read([self.view, self._habits.daily], list(by_user))
        except ValueError as error:
            raise PredictFlowError(
                f"the online store: {error}, from the lake, with: predictflow online rebuild"
            ) from error
        rows: dict[str, State] = {}
        added: list[Payment] = []
        for (user, own), state in zip(by_user.items(), read, strict=True):
            row, new = self._changed(state, own)
            if row is not None:
                rows[user] = row
                added += new
        return Changes(rows, added, len(payments) - len(added))

    def write(self, rows: Mapping[str, State], *, whole: bool = False) -> None:
        """Writes changed rows; `whole` where the view begins with them."""
        self._store.write(self.view, rows, datetime.now(UTC), whole=whole)

    def _changed(
        self, state: Mapping[str, State], payments: list[Payment]
    ) -> tuple[State | None, list[Payment]]:
        moments: list[Moment] = []
        events: dict[int, Event] = {}
        by_hash: dict[int, Payment] = {}
        for payment in payments:
            moment = moment_of(self._catalogue, payment.transaction_id, payment.event)
            number = int(moment["transaction_hashes"])
            moments.append(moment | self._unknown)
            events.setdefault(number, payment.event)
            by_hash.setdefault(number, payment)
        new: list[Payment] = []
        compute = self._habits.filling(state[self._habits.daily.name], events)

        def fill(lists: Lists, first: int, added: Set[int]) -> None:
            new.extend(by_hash[number] for number in added)
            compute(lists, first, added)

        return with_events(self.view, state[self.view.name], moments, fill), new
