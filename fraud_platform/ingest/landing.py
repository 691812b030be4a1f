"""Landing a file: its rows, its rejects and the position they were read up to, commit by commit."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path

import msgspec
import polars as pl

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.batches import Batch, Rejected
from fraud_platform.ingest.mapping import FieldMap, IngestError
from fraud_platform.ingest.readers import SourceFile
from fraud_platform.ingest.rows import (
    count_days,
    count_reasons,
    label_rows,
    landed_rows,
    now_us,
    reject_rows,
    transaction_rows,
)
from fraud_platform.ingest.rules import check
from fraud_platform.lake.store import Lake

Progress = Callable[[int], None]


@dataclass
class Landed:
    """What landing one file did. Counts are rows of this run; `skipped` were landed before."""

    source: str
    source_id: str
    transactions: int = 0
    labels: int = 0
    rejected: int = 0
    skipped: int = 0
    days: Counter[date] = field(default_factory=Counter)
    label_days: Counter[date] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def land_file(
    lake: Lake,
    path: Path,
    fields: FieldMap,
    *,
    maturity_days: int,
    progress: Progress = lambda _rows: None,
    note_days: Callable[[Iterable[date]], None] = lambda _days: None,
) -> Landed:
    """Lands a file's records in `landed_events`, each exactly once however often it is called.

    `progress` hears the position after each commit, `note_days` the days of transactions before.

    The lake says where to go on: every commit carries the position (records read) of the source,
    which is known by its decompressed content and its mapping. Raises IngestError, with nothing
    landed, for a file of the wrong shape or without one acceptable record.
    """
    file = SourceFile(path)
    landed = Landed(path.name, _source_id(file, fields, maturity_days))
    position = landed.skipped = lake.position(LANDED_EVENTS, landed.source_id)
    progress(position)
    for batch in file.batches(fields, position):
        try:
            accepted, rejected = check(batch, fields, now_us())
        except IngestError as error:
            raise IngestError(f"{path}: {error}") from error
        if batch.start == 0 and not accepted.height:
            _refuse(path, batch, rejected)
        if batch.start < position:  # the batch size changed between two runs
            accepted = accepted.filter(pl.col("offset") >= position)
            rejected = [record for record in rejected if record.offset >= position]
        rows = _rows(landed, accepted, rejected, fields, maturity_days)
        note_days(landed.days)
        lake.append(LANDED_EVENTS, rows, source_id=landed.source_id, start=position, end=batch.end)
        position = batch.end
        progress(position)
    if position == 0:
        raise IngestError(f"{path} holds no records: there is nothing to land")
    return landed


def _source_id(file: SourceFile, fields: FieldMap, maturity_days: int) -> str:
    named = sorted((name, column) for name, column in fields.columns.items() if name != column)
    key = msgspec.json.encode([file.digest(), fields.kind, dict(named), maturity_days])
    return sha256(key).hexdigest()


def _refuse(path: Path, batch: Batch, rejected: list[Rejected]) -> None:
    if not rejected:
        raise IngestError(f"{path} holds no records: there is nothing to land")
    reason, count = count_reasons(record.reason for record in rejected).most_common(1)[0]
    raise IngestError(
        f"{path}: none of the first {batch.end} records can be taken, so nothing was landed; "
        f"{count} of them: {reason}. First record: {rejected[0].raw[:200]!r}. "
        "Mend the file, or say with --map which column is which"
    )


def _rows(
    landed: Landed,
    accepted: pl.DataFrame,
    rejected: list[Rejected],
    fields: FieldMap,
    maturity_days: int,
) -> pl.DataFrame:
    """One frame of landed_events of a batch; counts what is in it."""
    now = now_us()
    parts: list[pl.DataFrame] = []
    if fields.kind == "transactions":
        parts.append(transaction_rows(accepted))
        landed.transactions += parts[0].height
        landed.days.update(count_days(parts[0]))
    from_file = pl.lit("file")
    source = pl.coalesce("source", from_file) if fields.kind == "labels" else from_file
    labels = label_rows(accepted, source, maturity_days)
    landed.labels += labels.height
    landed.label_days.update(count_days(labels))
    landed.rejected += len(rejected)
    landed.reasons.update(count_reasons(record.reason for record in rejected))
    return landed_rows(
        [*parts, labels, reject_rows(rejected, now)],
        {
            "source": pl.lit(landed.source),
            "source_id": pl.lit(landed.source_id),
            "partition": pl.lit(0, pl.Int32),
            "landed_at_us": pl.lit(now, pl.Int64),
        },
    )
