"""Keeping tables fast and small: many small files into few, and what nobody needs any more away.

Nothing of it disturbs who reads or writes meanwhile. A reader of an older version goes on reading,
as the files that it reads are kept for `Retention`; an append and a compaction don't conflict, and
a compaction that meets another change of its rows is left to the next time.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from fraud_platform.contracts.tables import Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.lake.commits import KEEP_LOG, committing
from fraud_platform.lake.counts import partitions
from fraud_platform.lake.store import Lake

MIB = 2**20


@dataclass(frozen=True)
class Rules:
    """When a partition is compacted, and for how long what is no longer needed is kept.

    `small_files` files below `target_bytes` are left alone, more are made into one. `kept` holds
    for files that the newest version doesn't refer to, and for log entries where they can go.
    """

    small_files: int
    target_bytes: int
    kept: timedelta
    checkpoint_interval: int = 100
    """Commits between two checkpoints of the writers."""


@dataclass
class Maintained:
    """What was done to a table; `lost` are recorded versions that can't be opened any more."""

    files_before: int
    bytes_before: int
    files_after: int = 0
    bytes_after: int = 0
    compacted_files: int = 0
    partitions_left: int = 0
    removed_files: int = 0
    versions_kept: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def maintain(
    lake: Lake, table: Table, rules: Rules, keep_versions: Collection[int] = ()
) -> Maintained | None:
    """Compacts, checkpoints and vacuums a table; what was done, or None where there is no table.

    The files of `keep_versions` are kept, and so is the log that leads to them: where there are
    any, no log entry is ever removed, because Delta's cleanup goes by age alone. Such tables are
    written a few times a day, a few kB each. `landed_events`, with a commit a second 86,400 files
    and 190 MB a day, has none, and its log is kept short. The positions of sources are in each
    checkpoint, so they survive either way.

    Raises UnavailableError where the store can't be written; what was done before stays.
    """
    delta = lake.open(table)
    if delta is None:
        return None
    with committing(table):
        _configure(delta, rules)
        files = partitions(delta, table)
        done = Maintained(files.height, int(files["bytes"].sum()))
        for partition in _crowded(files, table, rules):
            _compact(delta, partition, rules, done)
        # Of removed files a checkpoint forgets those that were removed before `kept`, so that the
        # vacuum after it finds each file once; it lists the directory, writers' leftovers too.
        delta.update_incremental()
        delta.create_checkpoint()
        done.versions_kept, done.lost = _openable(lake, table, keep_versions)
        delta = DeltaTable(lake.uri(table))
        if delta.vacuum(full=True, keep_versions=done.versions_kept):
            removed = delta.vacuum(
                full=True,
                dry_run=False,
                keep_versions=done.versions_kept,
                post_commithook_properties=KEEP_LOG,
            )
            done.removed_files = len(removed)
        if not keep_versions:
            delta.cleanup_metadata()
        files = partitions(delta, table)
        done.files_after, done.bytes_after = files.height, int(files["bytes"].sum())
    return done


def _configure(delta: DeltaTable, rules: Rules) -> None:
    """Says in the table itself for how long things are kept; writers' checkpoints go by it."""
    kept = f"interval {int(rules.kept.total_seconds())} seconds"
    wanted = {
        "delta.deletedFileRetentionDuration": kept,
        "delta.logRetentionDuration": kept,
        "delta.checkpointInterval": str(rules.checkpoint_interval),
        # deltalake 1.6 cleans the log with each vacuum, whatever its commit hook says; and other
        # programs may write these tables. `maintain` alone decides.
        "delta.enableExpiredLogCleanup": "false",
    }
    there = delta.metadata().configuration
    if any(there.get(name) != value for name, value in wanted.items()):
        delta.alter.set_table_properties(wanted, post_commithook_properties=KEEP_LOG)


def _crowded(files: pl.DataFrame, table: Table, rules: Rules) -> Iterator[dict[str, str]]:
    """The partitions with more small files than are left alone."""
    keys = list(table.partition_by)
    small = files.filter(pl.col("bytes") < rules.target_bytes).group_by(keys).len().sort(keys)
    for row in small.filter(pl.col("len") > rules.small_files).iter_rows(named=True):
        yield {key: str(row[key]) for key in keys}


def _compact(delta: DeltaTable, partition: dict[str, str], rules: Rules, done: Maintained) -> None:
    delta.update_incremental()
    try:
        told = delta.optimize.compact(
            [(key, "=", value) for key, value in partition.items()],
            target_size=rules.target_bytes,
            post_commithook_properties=KEEP_LOG,
        )
    except CommitFailedError:
        # Its rows were replaced meanwhile; the next time comes within the hour.
        done.partitions_left += 1
    else:
        done.compacted_files += int(told["numFilesRemoved"])


def _openable(lake: Lake, table: Table, versions: Collection[int]) -> tuple[list[int], list[int]]:
    """The versions that there are, and those that are lost: of a lake that was made anew, say."""
    kept, lost = [], []
    for version in sorted(set(versions)):
        try:
            lake.open(table, version)
        except PredictFlowError:
            lost.append(version)
        else:
            kept.append(version)
    return kept, lost
