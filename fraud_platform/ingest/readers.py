"""Files to land: Parquet, NDJSON and CSV, the latter two plain, gzip or zstd."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from fraud_platform.ingest.batches import Batch
from fraud_platform.ingest.csv_reader import read_csv
from fraud_platform.ingest.mapping import FieldMap, IngestError
from fraud_platform.ingest.ndjson_reader import read_ndjson
from fraud_platform.ingest.parquet_reader import count_parquet, read_parquet

_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class SourceFile:
    """A file to land, its format told by its name."""

    path: Path

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise IngestError(f"{self.path}: no such file")
        if not self.path.is_file():
            raise IngestError(f"{self.path} is not a file")
        if self.path.stat().st_size == 0:
            raise IngestError(f"{self.path} is empty: there is nothing to land")
        _ = self.format

    @property
    def compression(self) -> str | None:
        return _COMPRESSED.get(self.path.suffix.lower())

    @property
    def format(self) -> str:
        named = self.path.with_suffix("") if self.compression else self.path
        found = _SUFFIXES.get(named.suffix.lower())
        if found is None or (found == "parquet" and self.compression):
            raise IngestError(
                f"{self.path}: format not known by its name; expected .parquet, .ndjson, .jsonl or "
                ".csv, the last three also with .gz or .zst"
            )
        return found

    def open(self) -> IO[bytes]:
        """The decompressed bytes."""
        return cast("IO[bytes]", pa.input_stream(str(self.path), compression=self.compression))

    def digest(self) -> str:
        """Hex sha256 of the decompressed content; reads it whole, so damage shows up first."""
        try:
            with self.open() as stream:
                return hashlib.file_digest(cast("Any", stream), "sha256").hexdigest()
        except OSError as error:
            raise IngestError(f"{self.path} can't be read to its end: {error}") from error

    def expected_rows(self) -> int:
        """Records in the file where its format says so, else 0."""
        return count_parquet(self.path) if self.format == "parquet" else 0

    def batches(self, fields: FieldMap, skip: int = 0) -> Iterator[Batch]:
        """The file's records from position `skip` on; raises IngestError for a wrong shape."""
        return (batch for batch in self._batches(fields) if batch.end > skip)

    def _batches(self, fields: FieldMap) -> Iterator[Batch]:
        if self.format == "parquet":
            yield from read_parquet(self.path, fields)
            return
        read = read_csv if self.format == "csv" else read_ndjson
        with self.open() as stream:
            yield from read(stream, str(self.path), fields)
