"""Users' recent events where no stream keeps them: the service records what it scored itself.

Services and `online_features` write the same rows of the SQLite store, so each reads and writes
them inside one write transaction, and none undoes what another wrote.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import batched

from fraud_platform.errors import UnavailableError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import State
from fraud_platform.online import Progress
from fraud_platform.online.sqlite_store import SqliteStore
from fraud_platform.stream.recent_events import Changes, Payment, RecentEvents

BATCH = 1_000
"""Users of the lake whose rows are joined in one transaction, which services wait for."""


class RecordedEvents:
    """The view `user_recent` in a SQLite store that several processes write."""

    def __init__(self, store: SqliteStore, catalogue: Catalogue = CATALOGUE) -> None:
        self._store = store
        self._recent = RecentEvents(store, catalogue)

    def record(self, payments: Sequence[Payment]) -> Changes:
        """Adds payments to their users' recent events, each once; returns what they changed.

        Raises UnavailableError where the view is not there (rows would begin with the payments of
        now) or another writer holds the file, PredictFlowError for rows that cannot be read.
        """
        with self._store.locked() as store:
            if not store.is_there(self._recent.view):
                raise UnavailableError(
                    f"the online store has no view {self._recent.view.name}: it was lost, or never "
                    "written; write it from the lake with: predictflow online rebuild"
                )
            recent = self._recent.on(store)
            changes = recent.changes(payments)
            if changes.rows:
                recent.write(changes.rows)
        return changes

    def write_lake(
        self, rows: Mapping[str, State], as_of: datetime, progress: Progress | None = None
    ) -> None:
        """Writes the view whole, from the lake's rows, and keeps what was recorded beside them.

        Raises what `OnlineStore.write` raises. Writing again after a failure is harmless.
        """
        view = self._recent.view
        # Makes file and tables; where there are no rows, this is all of it.
        self._store.write(view, {}, as_of, whole=not rows)
        done = 0
        for batch in batched(rows.items(), BATCH):
            done += len(batch)
            with self._store.locked() as store:
                joined = self._recent.on(store).joined(dict(batch))
                store.write(view, joined, as_of, whole=done == len(rows))
            if progress:
                progress(done, len(rows))
