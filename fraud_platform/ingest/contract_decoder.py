"""Messages of a topic, decoded against its contract; fields that the contract lacks are noticed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from fraud_platform.clock import to_us_array
from fraud_platform.contracts.events import Label, Transaction
from fraud_platform.ingest.batches import Batch, Rejected, legible
from fraud_platform.ingest.mapping import FieldMap, Kind
from fraud_platform.ingest.rules import check

CONTRACTS: dict[Kind, type[msgspec.Struct]] = {"transactions": Transaction, "labels": Label}
MAX_RECORD = 64 * 2**10  # bytes, as much as the service takes of a request
MAX_NEW_FIELDS = 64  # so many are noticed; who sends more isn't changing a schema
# What msgspec says of a value of another type; a new version of the producer is behind most.
TYPE_CHANGED = "Expected `"
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_MOMENTS = ("timestamp", "labelled_at")


@dataclass
class Decoded:
    """Of messages 0 to n: the accepted as typed columns, the rejected with their reasons.

    `accepted` is `rules.check`'s frame, whose `offset` is the message's index. `new_fields` gives
    each field that the contract lacks with the index of the first message that has it.
    """

    accepted: pl.DataFrame
    rejected: list[Rejected]
    new_fields: dict[str, int] = field(default_factory=dict)


class ContractDecoder:
    """Decodes the messages of one topic.

    A message with a field that the contract lacks is taken without it. Such fields join the type
    that is decoded into, so that the many messages that follow cost what the others cost.
    """

    def __init__(self, kind: Kind, known_fields: Iterable[str] = ()) -> None:
        self._kind: Kind = kind
        self._fields = FieldMap(kind)
        self._lenient = msgspec.json.Decoder(CONTRACTS[kind])
        self._new = list(known_fields)
        self._strict = self._make_strict()

    def decode(self, values: Sequence[bytes | None], now: int) -> Decoded:
        """Decodes and checks messages; `now` is microseconds UTC, for times that lie ahead."""
        good: list[Any] = []
        indices: list[int] = []
        rejected: list[Rejected] = []
        new: dict[str, int] = {}
        for index, value in enumerate(values):
            try:
                if value is None or len(value) > MAX_RECORD:
                    raise msgspec.ValidationError(_oversized(value))
                try:
                    record = self._strict.decode(value)
                except msgspec.ValidationError:
                    record = self._lenient.decode(value)
                    self._notice(value, index, new)
            except _FAULTS as error:
                rejected.append(Rejected(index, _reason(error), value or b""))
            else:
                good.append(record)
                indices.append(index)
        batch = Batch(
            0, len(values), self._frame(good, indices), lambda at: values[at] or b"", rejected
        )
        return Decoded(*check(batch, self._fields, now), new)

    def _frame(self, good: list[Any], indices: list[int]) -> pl.DataFrame:
        columns = {"offset": pl.Series(indices, dtype=pl.Int64)}
        for name in CONTRACTS[self._kind].__struct_fields__:
            values = list(map(attrgetter(name), good))
            if name in _MOMENTS:
                columns[name] = pl.Series(to_us_array(values)).cast(pl.Datetime("us", "UTC"))
            else:
                columns[name] = pl.Series(values, dtype=_TYPES.get(name, pl.String()))
        return legible(pl.DataFrame(columns))

    def _notice(self, value: bytes, index: int, new: dict[str, int]) -> None:
        """Remembers the message's fields that aren't known yet, and knows them from now on."""
        known = {*CONTRACTS[self._kind].__struct_fields__, *self._new}
        names = [name for name in msgspec.json.decode(value, type=_OBJECT) if name not in known]
        names = names[: MAX_NEW_FIELDS - len(self._new)]
        if names:
            new.update(dict.fromkeys(names, index))
            self._new += names
            self._strict = self._make_strict()

    def _make_strict(self) -> msgspec.json.Decoder[Any]:
        names = {f"new_{number}": name for number, name in enumerate(self._new)}
        unread = msgspec.Raw | msgspec.UnsetType
        strict = msgspec.defstruct(
            "Known",
            [(name, unread, msgspec.UNSET) for name in names],
            bases=(CONTRACTS[self._kind],),
            rename=names,
            forbid_unknown_fields=True,
            frozen=True,
        )
        return msgspec.json.Decoder(strict)


_OBJECT = dict[str, msgspec.Raw]
_TYPES: dict[str, pl.DataType] = {"amount": pl.Float64(), "is_fraud": pl.Boolean()}


def _oversized(value: bytes | None) -> str:
    if value is None:
        return "the record has no value (it is a tombstone)"
    return f"the record has {len(value):,} bytes, allowed are {MAX_RECORD:,}"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the record is nested too deeply"
    return str(error)
