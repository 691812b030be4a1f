"""CSV files as batches: every value is text, and an empty one is missing."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import polars as pl

from fraud_platform.ingest.batches import Batch, Rejected, batched
from fraud_platform.ingest.lines import read_lines, too_long
from fraud_platform.ingest.mapping import FieldMap, IngestError


@dataclass(slots=True)
class _Row:
    """The values of a row, or why it has none, and the text that it was read from."""

    values: list[str] | csv.Error
    text: str


def read_csv(stream: IO[bytes], name: str, fields: FieldMap) -> Iterator[Batch]:
    """The rows after the header; raises IngestError for a wrong shape. Blank lines are no rows."""
    rows = _rows(_Lines(stream))
    header = next(rows, _Row([], "")).values
    if isinstance(header, csv.Error):
        raise IngestError(f"{name}: the header can't be read: {header}")
    if any("\0" in column or not _is_text(column) for column in header):
        raise IngestError(f"{name}: the header is not UTF-8 text; convert the file to UTF-8")
    columns = fields.resolve(header, name)
    at = {field: header.index(column) for field, column in columns.items()}
    start = 0
    for chunk in batched(rows, lambda row: len(row.text)):
        yield _batch(chunk, len(header), at, start)
        start += len(chunk)


class _Lines:
    """Lines as text, keeping those that the row being read is made of.

    Bytes that aren't UTF-8 become lone surrogates, which mark the row and keep its bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines = read_lines(stream)
        self._kept: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        text = line.decode("utf-8", "surrogateescape")
        self._kept.append(text)
        if reason := too_long(line):
            raise csv.Error(reason)
        return text

    def take(self) -> str:
        """The text of the row that was just read."""
        text = "".join(self._kept).rstrip("\r\n")
        self._kept.clear()
        return text


def _rows(lines: _Lines) -> Iterator[_Row]:
    rows = csv.reader(lines, strict=True)
    while True:
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            values = error
        yield _Row(values, lines.take())


def _batch(chunk: list[_Row], width: int, at: dict[str, int], start: int) -> Batch:
    rejected: list[Rejected] = []
    good: list[list[str]] = []
    offsets: list[int] = []
    for offset, row in enumerate(chunk, start):
        if row.values == []:  # a blank line
            continue
        if isinstance(row.values, csv.Error):
            rejected.append(Rejected(offset, f"the row can't be parsed: {row.values}", _raw(row)))
        elif reason := _fault(row.values, row.text, width):
            rejected.append(Rejected(offset, reason, _raw(row)))
        else:
            good.append(row.values)
            offsets.append(offset)
    frame = pl.DataFrame(
        {
            "offset": pl.Series(offsets, dtype=pl.Int64),
            **{
                name: pl.Series([values[i] or None for values in good], dtype=pl.String)
                for name, i in at.items()
            },
        }
    )
    return Batch(start, start + len(chunk), frame, lambda o: _raw(chunk[o - start]), rejected)


def _fault(values: list[str], text: str, width: int) -> str | None:
    if len(values) != width:
        return f"the row has {len(values)} values, the header names {width}"
    return None if _is_text(text) else "the row is not UTF-8"


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _raw(row: _Row) -> bytes:
    return row.text.encode("utf-8", "surrogateescape")
