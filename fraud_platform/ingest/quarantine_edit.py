"""Corrections of rejected records: of fields, or the whole record given anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fraud_platform.errors import PredictFlowError

# Values stay as they were written: a number doesn't go through a float and back.
_OBJECT = dict[str, msgspec.Raw]
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class Corrections:
    """What is changed in the JSON object of a record: removed, renamed, retyped, then set.

    A field that isn't there stays away. `quotes` are fields whose value becomes its text,
    `unquotes` those whose text becomes the value that it spells: the way back from a producer that
    changed a type. `record` stands for the whole record.
    """

    removes: Sequence[str] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    record: bytes | None = None
    quotes: Sequence[str] = ()
    unquotes: Sequence[str] = ()

    @property
    def words(self) -> str:
        """The corrections as they are given; empty without any."""
        if self.record is not None:
            return "--record"
        return " ".join(
            [
                *(f"--remove {name}" for name in self.removes),
                *(f"--rename {old}={new}" for old, new in self.renames.items()),
                *(f"--quote {name}" for name in self.quotes),
                *(f"--unquote {name}" for name in self.unquotes),
                *(f"--set {name}={bytes(value).decode()}" for name, value in self.sets.items()),
            ]
        )

    def apply(self, raw: bytes) -> bytes:
        """The corrected record; raises PredictFlowError for one that can't be corrected so."""
        if self.record is not None or not self.words:
            return raw if self.record is None else self.record
        try:
            found = msgspec.json.decode(raw, type=_OBJECT)
        except _FAULTS as error:
            raise PredictFlowError(
                f"no field can be corrected, as the record is no JSON object ({error}); "
                "give the whole record with --record"
            ) from error
        found = {name: value for name, value in found.items() if name not in self.removes}
        for old, new in self.renames.items():
            if old in found and new in found:
                raise PredictFlowError(
                    f"--rename {old}={new}: the record has {new} too; "
                    f"say --remove {new} to do without it"
                )
            found = {new if name == old else name: value for name, value in found.items()}
        for name in found.keys() & {*self.quotes}:
            found[name] = _quoted(found[name])
        for name in found.keys() & {*self.unquotes}:
            found[name] = _unquoted(name, found[name])
        return msgspec.json.encode({**found, **self.sets})


def parse_corrections(
    sets: Sequence[str],
    renames: Sequence[str],
    removes: Sequence[str],
    record: bytes | None = None,
    quotes: Sequence[str] = (),
    unquotes: Sequence[str] = (),
) -> Corrections:
    """The corrections of `FIELD=JSON`, `OLD=NEW` and `FIELD` texts, or of a whole record.

    Raises PredictFlowError for a text of another form.
    """
    if record is not None and (sets or renames or removes or quotes or unquotes):
        raise PredictFlowError(
            "--record gives the whole record: no --set, --rename, --remove, --quote or --unquote"
        )
    if record is not None and not record.strip():
        raise PredictFlowError("--record is empty; it gives the whole corrected record as JSON")
    values = dict(_pair("--set", text, "FIELD=JSON_VALUE") for text in sets)
    return Corrections(
        tuple(removes),
        dict(_pair("--rename", text, "OLD=NEW") for text in renames),
        {name: _value(name, value) for name, value in values.items()},
        None if record is None else record.strip(),
        tuple(quotes),
        tuple(unquotes),
    )


def _quoted(value: msgspec.Raw) -> msgspec.Raw:
    text = bytes(value)
    plain = text.startswith(b'"') or text == b"null"
    return value if plain else msgspec.Raw(msgspec.json.encode(text.decode()))


def _unquoted(name: str, value: msgspec.Raw) -> msgspec.Raw:
    if not bytes(value).startswith(b'"'):
        return value
    text = msgspec.json.decode(value, type=str)
    try:
        msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise PredictFlowError(f"--unquote {name}: {text!r} spells no JSON value") from error
    return msgspec.Raw(text.encode())


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise PredictFlowError(f"{option} {text!r} is not of the form {form}")
    return name, value


def _value(name: str, text: str) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(text, type=msgspec.Raw)))
    except msgspec.MsgspecError as error:
        raise PredictFlowError(
            f"--set {name}={text}: {text!r} is no JSON value ({error}); a text stands in double "
            f"quotes, in a shell '{name}=\"{text}\"'"
        ) from error
