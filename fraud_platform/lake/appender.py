"""Appending rows together with the positions that their sources were read up to."""

from collections.abc import Mapping
from threading import Lock

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from fraud_platform.contracts.tables import Table
from fraud_platform.errors import UnavailableError
from fraud_platform.lake.commits import KEEP_LOG, arrow, committing, ready

# An open table collects the log's entries: after a thousand commits it takes 100 ms for the next
# one, where opening it anew takes 30.
REOPENED_AFTER = 50


class SupersededError(UnavailableError):
    """Another writer moved a source on; `positions` says where each such source stands now."""

    def __init__(self, table: Table, positions: Mapping[str, int], wanted: Mapping[str, int]):
        self.positions = dict(positions)
        where = ", ".join(
            f"source {source[:40]} was landed up to {at} by another writer, not up to "
            f"{wanted[source]}"
            for source, at in sorted(positions.items())
        )
        super().__init__(f"table {table.name}: {where}; start the ingestion again")


class Appender:
    """One writer of a table: each commit moves the positions of its sources, or doesn't happen.

    A source is a name with a position, a number that only its writers give a meaning to; of a
    source that was never written it is 0. Positions are Delta's application transactions, so they
    live and die with the rows of the same commit. Threads may share an appender.
    """

    def __init__(self, uri: str, table: Table) -> None:
        self._uri, self._table = uri, table
        self._delta: DeltaTable | None = None
        self._commits = 0
        self._lock = Lock()

    def positions(self, *sources: str) -> dict[str, int]:
        """Where the sources stand in the newest version of the table."""
        with self._lock, committing(self._table):
            delta = self._newest()
        return {source: delta.transaction_version(source) or 0 for source in sources}

    def append(self, frame: pl.DataFrame, moves: Mapping[str, tuple[int, int]]) -> int:
        """Appends the rows and moves each source from its first to its second position.

        Returns the new version. Raises SupersededError, with nothing written, where a source
        doesn't stand at its first position.
        """
        with self._lock, committing(self._table):
            # Positions are compared on the very snapshot that the commit builds on. A commit that
            # comes in between is refused by Delta itself where it moves one of the same sources.
            delta = self._newest()
            self._compare(delta, moves)
            try:
                write_deltalake(
                    delta,
                    arrow(self._table, frame),
                    mode="append",
                    commit_properties=CommitProperties(
                        app_transactions=[
                            Transaction(name, end) for name, (_, end) in moves.items()
                        ]
                    ),
                    post_commithook_properties=KEEP_LOG,
                )
            except CommitFailedError:
                self._compare(self._newest(), moves)
                raise
            self._commits += 1
        return delta.version()

    def _newest(self) -> DeltaTable:
        if self._delta is None or self._commits >= REOPENED_AFTER:
            self._delta, self._commits = ready(self._uri, self._table), 0
        self._delta.update_incremental()
        return self._delta

    def _compare(self, delta: DeltaTable, moves: Mapping[str, tuple[int, int]]) -> None:
        wanted = {source: start for source, (start, _) in moves.items()}
        there = {source: delta.transaction_version(source) or 0 for source in wanted}
        differing = {source: at for source, at in there.items() if at != wanted[source]}
        if differing:
            raise SupersededError(self._table, differing, wanted)
