"""Reading and replacing days of Delta tables."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from fraud_platform.contracts.tables import Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.lake.appender import Appender
from fraud_platform.lake.commits import AS_THEY_ARE, KEEP_LOG, batches, committing, ready

# What deltalake 1.6 fails on, or takes for another path, wherever it stands in one.
_UNFIT = re.compile(r"[\\^|\[\]]|%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Lake:
    """The Delta tables below one directory (or S3 prefix)."""

    root: Path | str

    def __post_init__(self) -> None:
        found = _UNFIT.search(str(self.root))
        if found:
            raise PredictFlowError(
                f"the lake can't be kept in {self.root}: Delta Lake takes no path with "
                f"{found[0]!r} in it; set data_dir to another one"
            )

    def uri(self, table: Table) -> str:
        """Where a table is: a path as it is, or below the prefix."""
        if isinstance(self.root, Path):
            return str(self.root / table.name)
        return f"{self.root.rstrip('/')}/{table.name}"

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """The table at a version (default: newest), or None where it was never written.

        Raises PredictFlowError for a version that there is not.
        """
        try:
            return DeltaTable(self.uri(table), version=version)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            asked = "" if version is None else f" at version {version}"
            raise PredictFlowError(f"table {table.name}{asked} can't be opened: {error}") from error

    def version(self, table: Table) -> int | None:
        """The newest version, or None where the table was never written."""
        delta = self.open(table)
        return None if delta is None else delta.version()

    def dataset(
        self,
        table: Table,
        start: date,
        end: date,
        *,
        where: ds.Expression | None = None,
        version: int | None = None,
    ) -> ds.Dataset:
        """Rows with start <= event_date < end, lazily: columns and filters are pushed down.

        An absent table reads as an empty one; the readers say what they miss in their own terms.
        """
        delta = self.open(table, version)
        if delta is None:
            return ds.dataset(table.schema.empty_table())
        in_range = (ds.field("event_date") >= pa.scalar(start)) & (
            ds.field("event_date") < pa.scalar(end)
        )
        whole = delta.to_pyarrow_dataset(schema=table.schema)
        return whole.filter(in_range if where is None else in_range & where)

    def read(
        self,
        table: Table,
        start: date,
        end: date,
        *,
        columns: list[str] | None = None,
        where: ds.Expression | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Rows with start <= event_date < end in the table's order."""
        order = ["event_date", *table.sort_by]
        names = columns or table.schema.names
        found = self.dataset(table, start, end, where=where, version=version).to_table(
            columns=list(dict.fromkeys([*names, *order]))
        )
        frame = pl.from_arrow(found)
        assert isinstance(frame, pl.DataFrame)
        return frame.sort(order).select(names)

    def read_among(
        self, table: Table, start: date, end: date, keys: pl.DataFrame, *, columns: list[str]
    ) -> pl.DataFrame:
        """As `read`, but only rows whose values are among the rows of `keys` (some columns).

        What is held at a time is a batch and what was found, however many rows the days have.
        """
        order = ["event_date", *table.sort_by]
        names = list(dict.fromkeys([*columns, *keys.columns, *order]))
        found = [pl.DataFrame(table.schema.empty_table()).select(names)]
        for batch in self.dataset(table, start, end).to_batches(columns=names):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            found.append(frame.join(keys, on=keys.columns, how="semi").select(names))
        return pl.concat(found).sort(order).select(columns)

    def count_by_day(
        self, table: Table, start: date, end: date, *, where: ds.Expression | None = None
    ) -> dict[date, int]:
        """Rows a day with start <= event_date < end; days without rows are left out."""
        found = self.dataset(table, start, end, where=where).to_table(columns=["event_date"])
        counted = found.group_by("event_date").aggregate([([], "count_all")])
        days, counts = counted["event_date"].to_pylist(), counted["count_all"].to_pylist()
        return dict(sorted(zip(days, counts, strict=True)))

    def replace_days(self, table: Table, start: date, end: date, frame: pl.DataFrame) -> int:
        """Replaces start <= event_date < end by the frame's rows in one commit; the new version.

        Raises PredictFlowError for a row outside the range, before anything is written, and where
        another writer replaced days of the range meanwhile.
        """
        day = pl.col("event_date")
        outside = frame.filter(~((day >= start) & (day < end)).fill_null(value=False))
        if outside.height:
            raise PredictFlowError(
                f"table {table.name}: {outside.height} rows lie outside {start} to {end} "
                f"(first: {outside['event_date'][0]})"
            )
        # Of a single day the date says nothing, and to compare it takes as long as all the rest.
        order = [*(["event_date"] if (end - start).days > 1 else []), *table.sort_by]
        with committing(table):
            delta = ready(self.uri(table), table)
            write_deltalake(
                delta,
                batches(table, frame.sort(order)),
                mode="overwrite",
                predicate=f"event_date >= '{start}' AND event_date < '{end}'",
                writer_properties=AS_THEY_ARE,
                post_commithook_properties=KEEP_LOG,
            )
        return delta.version()

    def position(self, table: Table, source_id: str) -> int:
        """Up to where a source was landed: the next offset to read, 0 for a new source."""
        delta = self.open(table)
        found = delta.transaction_version(source_id) if delta else None
        return 0 if found is None else found

    def append(
        self, table: Table, frame: pl.DataFrame, *, source_id: str, start: int, end: int
    ) -> int:
        """Appends rows together with the position `end` of their source, in one commit.

        `start` is the position that the rows were read from; where the table says otherwise,
        another writer was faster and nothing is written. Returns the new version.
        """
        return self.appender(table).append(frame, {source_id: (start, end)})

    def appender(self, table: Table) -> Appender:
        """A writer for many commits; it keeps the table open."""
        return Appender(self.uri(table), table)


def versions(lake: Lake, tables: Iterable[Table]) -> dict[str, int]:
    """The newest version of each table that exists, by name: what a training run records."""
    found = {table.name: lake.version(table) for table in tables}
    return {name: version for name, version in found.items() if version is not None}
