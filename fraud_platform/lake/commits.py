"""What every commit to a table shares: the table as its schema says, and clear errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, PostCommitHookProperties, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Field

from fraud_platform.contracts.tables import Table
from fraud_platform.errors import UnavailableError

_BATCH_ROWS = 32_768

# Figures and ids of a day hardly repeat: looking for repetitions took half of the time to write.
AS_THEY_ARE = WriterProperties(
    compression="SNAPPY",
    default_column_properties=ColumnProperties(
        dictionary_enabled=False, statistics_enabled="CHUNK"
    ),
)
# Old log entries are the way back to the versions that training recorded: only the asset
# `table_maintenance`, which knows those, removes any.
KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)


def ready(uri: str, table: Table) -> DeltaTable:
    """The table, made where it isn't there and given the columns that a newer release added."""
    delta = DeltaTable.create(
        uri, table.schema, mode="ignore", partition_by=list(table.partition_by)
    )
    there = {field.name for field in delta.schema().fields}
    lacking = [field for field in table.schema if field.name not in there]
    if lacking:
        delta.alter.add_columns([Field.from_arrow(field) for field in lacking])
    return delta


@contextmanager
def committing(table: Table) -> Iterator[None]:
    """Raises UnavailableError for what goes wrong in a commit: the former data stay."""
    try:
        yield
    except CommitFailedError as error:
        raise UnavailableError(
            f"table {table.name}: another writer was faster, so nothing was written; run it again "
            f"({error})"
        ) from error
    except (DeltaError, OSError) as error:
        raise UnavailableError(
            f"table {table.name}: the rows can't be written, its data are as before: {error}"
        ) from error


def arrow(table: Table, frame: pl.DataFrame) -> pa.Table:
    """The frame's rows in the table's columns and types."""
    return frame.select(table.schema.names).to_arrow().cast(table.schema)


def batches(table: Table, frame: pl.DataFrame) -> pa.RecordBatchReader:
    """The same in batches: the writer encodes one while it takes the next."""
    rows = arrow(table, frame)
    return pa.RecordBatchReader.from_batches(
        rows.schema, rows.to_batches(max_chunksize=_BATCH_ROWS)
    )
