"""NDJSON files as batches: each line is decoded against the edge's contract."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

import msgspec
import polars as pl

from fraud_platform.clock import to_us
from fraud_platform.contracts.events import Moment
from fraud_platform.ingest.batches import Batch, Rejected, batched, legible
from fraud_platform.ingest.lines import read_lines, too_long
from fraud_platform.ingest.mapping import REQUIRED, FieldMap

_PEEK = 10_000  # records whose fields tell which ones the file has
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_ndjson(stream: IO[bytes], name: str, fields: FieldMap) -> Iterator[Batch]:
    """The file's lines; raises IngestError for a wrong shape. Blank lines are no records."""
    decoder: msgspec.json.Decoder[Any] | None = None
    start = 0
    for chunk in batched(read_lines(stream), len):
        if decoder is None:
            fields.resolve(_keys(chunk), name)
            decoder = msgspec.json.Decoder(_record_type(fields))
        yield _batch(chunk, decoder, start)
        start += len(chunk)


def decode_lines(lines: list[bytes], fields: FieldMap, *, zoned: bool = True) -> Batch:
    """Lines of any file as one batch, each against the contract whatever fields the others have.

    Unless `zoned`, a time without a zone is taken as UTC, as in formats that can't say one.
    """
    moment = Moment if zoned else datetime
    return _batch(lines, msgspec.json.Decoder(_record_type(fields, moment)), 0)


def _keys(lines: Iterable[bytes]) -> list[str]:
    """The field names of the first records; lines that aren't JSON objects are passed over."""
    keys: dict[str, None] = {}
    for record in islice(_objects(lines), _PEEK):
        keys |= dict.fromkeys(record)
    return list(keys)


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, msgspec.Raw]]:
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    for line in lines:
        try:
            yield decoder.decode(line)
        except _FAULTS:
            continue


def _record_type(fields: FieldMap, moment: Any = Moment) -> type[msgspec.Struct]:
    """The edge's contract under the file's names.

    Wider than the contract where there is no doubt about what is meant: identifiers may be whole
    numbers, and verdicts 1/0 or text.
    """
    required = REQUIRED[fields.kind]
    types: dict[str, Any] = {
        "timestamp": moment,
        "labelled_at": moment,
        "amount": float,
        "is_fraud": bool | int | str,
    }
    members: list[Any] = []
    for name in fields.fields:
        if name not in fields.columns and name in fields.columns.values():
            continue  # another field is read from the column of this name
        kind = types.get(name, str | int)
        members.append((name, kind) if name in required else (name, kind | None, None))
    return msgspec.defstruct("Record", members, rename=dict(fields.columns))


def _batch(chunk: list[bytes], decoder: msgspec.json.Decoder[Any], start: int) -> Batch:
    rejected: list[Rejected] = []
    good: list[Any] = []
    offsets: list[int] = []
    for offset, line in enumerate(chunk, start):
        try:
            record = decoder.decode(line)
        except _FAULTS as error:
            if line.strip():
                rejected.append(Rejected(offset, too_long(line) or str(error), _raw(line)))
        else:
            good.append(record)
            offsets.append(offset)
    frame = pl.DataFrame(
        {
            "offset": pl.Series(offsets, dtype=pl.Int64),
            **{
                name: _series(name, [getattr(row, name) for row in good])
                for name in decoder.type.__struct_fields__
            },
        }
    )
    return Batch(
        start, start + len(chunk), legible(frame), lambda o: _raw(chunk[o - start]), rejected
    )


def _raw(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


def _series(name: str, values: list[Any]) -> pl.Series:
    match name:
        case "amount":
            return pl.Series(values, dtype=pl.Float64)
        case "timestamp" | "labelled_at":
            moments = [None if value is None else to_us(_zoned(value)) for value in values]
            return pl.Series(moments, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        case _:
            texts = [v if v is None or type(v) is str else str(v) for v in values]
            return pl.Series(texts, dtype=pl.String)


def _zoned(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
