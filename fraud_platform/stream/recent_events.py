"""Users' recent events in the online store: what payments change of them, read and written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from copy import copy
from datetime import UTC, datetime
from math import nan
from typing import Any, NamedTuple, Self

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import Lists, Moment, moment_of, with_events
from fraud_platform.features.state import State, views
from fraud_platform.online import OnlineStore
from fraud_platform.stream.habits import Habits


class Payment(NamedTuple):
    """An accepted transaction, and when it came in milliseconds: its record's own timestamp."""

    user_id: str
    transaction_id: str
    event: Event
    stamp_ms: int


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

    def on(self, store: OnlineStore) -> Self:
        """The same view of another open store."""
        other = copy(self)
        other._store = store
        return other

    def as_of(self) -> datetime | None:
        """When the whole view was written last; None where it never was, or was lost since."""
        return self._store.written_as_of(self.view)

    def mark_read(self, partitions: int, until_us: Mapping[int, int]) -> None:
        """As `OnlineStore.mark_read`."""
        self._store.mark_read(partitions, until_us)

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

    def joined(self, rows: Mapping[str, State]) -> dict[str, State]:
        """Rows made from the lake, with the events that the store has of these users beside them.

        Of an event that both have, the lake's counts. It is what payments give that came one by one
        after the lake's; an event whose past is not all there any more keeps its features.
        """
        read = self._store.read([self.view, self._habits.daily], list(rows))
        return {
            user: self._with_stored(row, state)
            for (user, row), state in zip(rows.items(), read, strict=True)
        }

    def write(self, rows: Mapping[str, State], *, whole: bool = False) -> None:
        """Writes changed rows; `whole` where the view begins with them."""
        self._store.write(self.view, rows, datetime.now(UTC), whole=whole)

    def _with_stored(self, row: State, state: Mapping[str, State]) -> State:
        stored: Mapping[str, Any] = state[self.view.name]
        places = range(len(stored["timestamps_us"]))
        moments = [{name: values[i] for name, values in stored.items()} for i in places]
        # Of those that it adds only hashes are left, so they are computed again as late ones are.
        fill = self._habits.filling(state[self._habits.daily.name], {})
        return with_events(self.view, row, moments, fill) or row

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
