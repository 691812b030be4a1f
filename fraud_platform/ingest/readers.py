"""Files as batches of raw columns: Parquet, NDJSON and CSV, the latter two plain, gzip or zstd."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fraud_platform.clock import to_us
from fraud_platform.contracts.events import Moment
from fraud_platform.ingest.mapping import REQUIRED, FieldMap, IngestError

BATCH_ROWS = 200_000
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
        return _COMPRESSED.get(self.path.suffix)

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
        return pq.read_metadata(self.path).num_rows if self.format == "parquet" else 0

    def batches(self, fields: FieldMap, skip: int = 0) -> Iterator[Batch]:
        """The file's records from position `skip` on; raises IngestError for a wrong shape."""
        reader = {"parquet": _parquet, "ndjson": _ndjson, "csv": _csv}[self.format]
        return (batch for batch in reader(self, fields) if batch.end > skip)


def _parquet(file: SourceFile, fields: FieldMap) -> Iterator[Batch]:
    try:
        source = pq.ParquetFile(file.path)
    except pa.ArrowInvalid as error:
        raise IngestError(f"{file.path} is not a Parquet file: {error}") from error
    columns = fields.resolve(source.schema_arrow.names, str(file.path))
    start = 0
    for arrow in source.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(columns.values()))):
        found = cast("pl.DataFrame", pl.from_arrow(arrow))
        yield _of_frame(found, columns, start)
        start += found.height


def _of_frame(found: pl.DataFrame, columns: dict[str, str], start: int) -> Batch:
    def raw(offset: int) -> bytes:
        return json.dumps(found.row(offset - start, named=True), default=str).encode()

    frame = found.select(
        pl.int_range(start, start + found.height, dtype=pl.Int64).alias("offset"),
        *(pl.col(column).alias(name) for name, column in columns.items()),
    )
    return Batch(start, start + found.height, frame, raw)


def _csv(file: SourceFile, fields: FieldMap) -> Iterator[Batch]:
    with file.open() as stream:
        # Bytes that aren't UTF-8 become lone surrogates, which mark the row below.
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.reader(text, strict=True)
        header = next(rows, [])
        columns = fields.resolve(header, str(file.path))
        at = [header.index(column) for column in columns.values()]
        start = 0
        for chunk in batched(_csv_rows(rows), BATCH_ROWS):
            yield _csv_batch(chunk, header, dict(zip(columns, at, strict=True)), start)
            start += len(chunk)


def _csv_rows(rows: Iterator[list[str]]) -> Iterator[list[str] | csv.Error]:
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _csv_batch(
    chunk: tuple[list[str] | csv.Error, ...], header: list[str], at: dict[str, int], start: int
) -> Batch:
    rejected: list[Rejected] = []
    good: list[list[str]] = []
    offsets: list[int] = []
    for offset, row in enumerate(chunk, start):
        reason = _csv_fault(row, len(header))
        if reason:
            rejected.append(Rejected(offset, reason, _csv_raw(row)))
        else:
            good.append(cast("list[str]", row))
            offsets.append(offset)
    # An empty cell is a missing value; CSV has no other way to say so.
    frame = pl.DataFrame(
        {
            "offset": pl.Series(offsets, dtype=pl.Int64),
            **{
                name: pl.Series([row[i] or None for row in good], dtype=pl.String)
                for name, i in at.items()
            },
        }
    )
    return Batch(start, start + len(chunk), frame, lambda o: _csv_raw(chunk[o - start]), rejected)


def _csv_fault(row: list[str] | csv.Error, expected: int) -> str | None:
    if isinstance(row, csv.Error):
        return f"the row can't be parsed: {row}"
    if len(row) != expected:
        return f"the row has {len(row)} values, the header names {expected}"
    joined = "".join(row)
    if not joined.isascii() and any("\ud800" <= letter <= "\udfff" for letter in joined):
        return "the row is not UTF-8"
    return None


def _csv_raw(row: list[str] | csv.Error) -> bytes:
    if isinstance(row, csv.Error):
        return str(row).encode()
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode("utf-8", "surrogateescape")


_PEEK = 100


def _ndjson(file: SourceFile, fields: FieldMap) -> Iterator[Batch]:
    with file.open() as stream:
        record: type[msgspec.Struct] | None = None
        for chunk in batched(enumerate(stream), BATCH_ROWS):
            if record is None:
                fields.resolve(_keys(line for _, line in chunk[:_PEEK]), str(file.path))
                record = _record_type(fields)
            yield _ndjson_batch(chunk, msgspec.json.Decoder(record), record.__struct_fields__)


def _keys(lines: Iterable[bytes]) -> list[str]:
    """The field names of the first lines; those that aren't JSON objects are passed over here."""
    keys: dict[str, None] = {}
    for line in lines:
        try:
            keys |= dict.fromkeys(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return list(keys)


def _record_type(fields: FieldMap) -> type[msgspec.Struct]:
    """The edge's contract under the file's names, except that identifiers may be whole numbers."""
    required = REQUIRED[fields.kind]
    types: dict[str, Any] = {
        "timestamp": Moment,
        "labelled_at": Moment,
        "amount": float,
        "is_fraud": bool | int,
    }
    members: list[Any] = []
    for name in fields.fields:
        kind = types.get(name, str | int)
        members.append((name, kind) if name in required else (name, kind | None, None))
    return msgspec.defstruct("Record", members, rename=dict(fields.columns))


def _ndjson_batch(
    chunk: tuple[tuple[int, bytes], ...],
    decoder: msgspec.json.Decoder[Any],
    names: tuple[str, ...],
) -> Batch:
    start = chunk[0][0]
    rejected: list[Rejected] = []
    good: list[Any] = []
    offsets: list[int] = []
    for offset, line in chunk:
        try:
            good.append(decoder.decode(line))
            offsets.append(offset)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if line.strip():
                rejected.append(Rejected(offset, str(error), line.rstrip(b"\r\n")))
    frame = pl.DataFrame(
        {
            "offset": pl.Series(offsets, dtype=pl.Int64),
            **{name: _series(name, [getattr(row, name) for row in good]) for name in names},
        }
    )

    def raw(offset: int) -> bytes:
        return chunk[offset - start][1].rstrip(b"\r\n")

    return Batch(start, start + len(chunk), frame, raw, rejected)


def _series(name: str, values: list[Any]) -> pl.Series:
    match name:
        case "amount":
            return pl.Series(values, dtype=pl.Float64)
        case "is_fraud":
            return pl.Series([None if v is None else int(v) for v in values], dtype=pl.Int64)
        case "timestamp" | "labelled_at":
            moments = [None if value is None else to_us(value) for value in values]
            return pl.Series(moments, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        case _:
            texts = [v if v is None or type(v) is str else str(v) for v in values]
            return pl.Series(texts, dtype=pl.String)
