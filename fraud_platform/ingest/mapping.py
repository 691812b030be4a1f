"""Which column of a file holds which field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fraud_platform.errors import PredictFlowError

Kind = Literal["transactions", "labels"]

REQUIRED: dict[Kind, tuple[str, ...]] = {
    "transactions": ("transaction_id", "timestamp", "user_id", "merchant_id", "amount"),
    "labels": ("transaction_id", "is_fraud", "labelled_at"),
}
OPTIONAL: dict[Kind, tuple[str, ...]] = {
    # is_fraud in a file of transactions makes label events, known from labelled_at on, or where
    # the file doesn't say, when the label's maturity has passed.
    "transactions": ("device_id", "is_fraud", "labelled_at"),
    "labels": ("source",),
}


class IngestError(PredictFlowError):
    """A file that can't be landed as it is."""


@dataclass(frozen=True)
class FieldMap:
    """Field to column; a field that isn't named is looked for under its own name."""

    kind: Kind = "transactions"
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        return REQUIRED[self.kind] + OPTIONAL[self.kind]

    def resolve(self, available: Iterable[str], file: str) -> dict[str, str]:
        """Field to column for the fields that this file has.

        Raises IngestError for a required field without a column, a map that names no column, and
        a column that isn't the only one of its name, or is taken for two fields.
        """
        found = list(available)
        listing = ", ".join(found) or "none"
        resolved: dict[str, str] = {}
        for name in self.fields:
            column = self.columns.get(name, name)
            if found.count(column) > 1:
                raise IngestError(f"{file}: {found.count(column)} columns are named {column}")
            if column in resolved.values():
                if name not in self.columns and name in OPTIONAL[self.kind]:
                    continue
                other = next(field for field, taken in resolved.items() if taken == column)
                raise IngestError(
                    f"{file}: the column {column} is taken for both {other} and {name}; "
                    f"name another with --map {name}=COLUMN or --map {other}=COLUMN"
                )
            if column in found:
                resolved[name] = column
            elif name in self.columns:
                raise IngestError(
                    f"{file}: --map {name}={column} names no column; the file has: {listing}"
                )
            elif name in REQUIRED[self.kind]:
                raise IngestError(
                    f"{file}: no column for {name}; the file has: {listing}. "
                    f"Say which one with --map {name}=COLUMN"
                )
        return resolved


def parse_map(pairs: Iterable[str], kind: Kind = "transactions") -> FieldMap:
    """The map of `field=column` texts, comma-separated or one each."""
    columns: dict[str, str] = {}
    known = REQUIRED[kind] + OPTIONAL[kind]
    for pair in (part.strip() for text in pairs for part in text.split(",")):
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise IngestError(f"--map {pair!r} is not of the form field=column")
        if name not in known:
            raise IngestError(f"--map {pair!r}: no field {name!r}; fields: {', '.join(known)}")
        if name in columns:
            raise IngestError(f"--map names the field {name} twice")
        columns[name] = column
    return FieldMap(kind, columns)
