"""A file's records in batches, each record at its position in the source."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

# A batch ends at whichever comes first; it is one commit, and what is held in memory.
BATCH_ROWS = 200_000
BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Rejected:
    """A record that can't be taken, at its position in the source."""

    offset: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Batch:
    """The records of positions start <= offset < end.

    `frame` holds the column `offset` and one column for each field that the file has, of whatever
    type was found; `raw` gives the bytes of one record for the quarantine.
    """

    start: int
    end: int
    frame: pl.DataFrame
    raw: Callable[[int], bytes]
    rejected: list[Rejected] = field(default_factory=list)


def batched[Record](
    records: Iterable[Record], size: Callable[[Record], int]
) -> Iterator[list[Record]]:
    """The records in lists of up to BATCH_ROWS records and about BATCH_BYTES bytes."""
    batch: list[Record] = []
    held = 0
    for record in records:
        batch.append(record)
        held += size(record)
        if len(batch) >= BATCH_ROWS or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800  # the years 1 to 9999


def legible(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with timestamps outside the years 1 to 9999 as text that no field takes.

    Neither Python nor polars can show such a timestamp; its whole column becomes text.
    """
    return frame.with_columns(
        pl.coalesce(
            pl.when(_shown(name, kind)).then(pl.col(name)).cast(pl.String),
            pl.col(name).to_physical().cast(pl.String),
        ).alias(name)
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime)
        and not frame.select(_shown(name, kind).all(ignore_nulls=True)).item()
    )


def _shown(name: str, kind: pl.Datetime) -> pl.Expr:
    scale = _PER_SECOND[kind.time_unit]
    low, high = _FIRST_SECOND * scale, min(_END_SECOND * scale, 2**63) - 1
    return pl.col(name).to_physical().is_between(max(low, -(2**63)), high)
