"""Parquet files as batches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fraud_platform.ingest import batches
from fraud_platform.ingest.batches import Batch, legible
from fraud_platform.ingest.mapping import FieldMap, IngestError


def count_parquet(path: Path) -> int:
    """Rows of a Parquet file, as its footer says; raises IngestError where it has none."""
    with _open(path) as source:
        return source.metadata.num_rows


def read_parquet(path: Path, fields: FieldMap) -> Iterator[Batch]:
    """The file's rows; raises IngestError for a wrong shape, or where the file is damaged."""
    with _open(path) as source:
        columns = fields.resolve(source.schema_arrow.names, str(path))
        start = 0
        try:
            for arrow in source.iter_batches(batches.BATCH_ROWS, columns=list(columns.values())):
                found = legible(cast("pl.DataFrame", pl.from_arrow(arrow)))
                yield _of_frame(found, columns, start)
                start += found.height
        except (pa.ArrowException, OSError) as error:
            raise IngestError(f"{path} can't be read past row {start}: {error}") from error


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise IngestError(f"{path} can't be read as a Parquet file: {error}") from error


def _of_frame(found: pl.DataFrame, columns: dict[str, str], start: int) -> Batch:
    def raw(offset: int) -> bytes:
        return json.dumps(found.row(offset - start, named=True), default=str).encode()

    frame = found.select(
        pl.int_range(start, start + found.height, dtype=pl.Int64).alias("offset"),
        *(pl.col(column).alias(name) for name, column in columns.items()),
    )
    return Batch(start, start + found.height, frame, raw)
