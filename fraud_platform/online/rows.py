"""Rows of the online views as stored values, and back; a row that cannot be is told, not used."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fraud_platform.features.state import State, View
from fraud_platform.online.feast_format import Decode, Encode, value_encoder


def check_rows(view: View, rows: Mapping[str, State]) -> None:
    """Raises ValueError for a state whose fields are not the view's or do not fit together."""
    expected = view.fields.keys()
    for entity_id, state in rows.items():
        if state.keys() != expected:
            raise ValueError(
                f"view {view.name}, {view.entity} {entity_id!r}: its fields are "
                f"{', '.join(sorted(state))}; expected {', '.join(expected)}"
            )
        _check_lengths(view, state)


def row_encoder(view: View) -> Callable[[str, State], list[bytes]]:
    """The function that encodes the state of an entity, in the order of the view's fields.

    It raises ValueError, naming entity and field, for a value that is not of the field's kind.
    """
    encoders: list[tuple[str, Encode]] = [
        (name, value_encoder(kind)) for name, kind in view.fields.items()
    ]

    def encode(entity_id: str, state: State) -> list[bytes]:
        name = ""
        try:
            return [encode_value(state[name]) for name, encode_value in encoders]
        except (TypeError, ValueError) as error:
            for name, encode_value in encoders:
                try:
                    encode_value(state[name])
                except (TypeError, ValueError):
                    break
            raise ValueError(
                f"view {view.name}, {view.entity} {entity_id!r}: {name} is {state[name]!r}; "
                f"expected {view.fields[name]}"
            ) from error

    return encode


def decoded_states(
    views: Sequence[View], stored: Sequence[bytes | None], decode: Decode
) -> Iterator[tuple[str, State]]:
    """The states of an entity by view, from the stored values of all the views' fields in order.

    A view without any value is empty. Raises ValueError for a row that is there in part, whose
    lists differ in length, or whose values are of another kind.
    """
    start = 0
    for view in views:
        end = start + len(view.fields)
        yield view.name, _state(view, stored[start:end], decode)
        start = end


def _state(view: View, stored: Sequence[bytes | None], decode: Decode) -> State:
    if None in stored:
        missing = [name for name, raw in zip(view.fields, stored, strict=True) if raw is None]
        if len(missing) == len(stored):
            return view.empty
        raise ValueError(
            f"view {view.name}: a row lacks {', '.join(missing)}; it was half written, or for "
            "other features: write the view again"
        )
    state: dict[str, Any] = {
        name: decode(raw, kind)
        for (name, kind), raw in zip(view.fields.items(), stored, strict=True)
        if raw is not None
    }
    for names in view.parallel:  # in short, as each request comes here
        if len({len(state[name]) for name in names}) > 1:
            _check_lengths(view, state)
    return state


def _check_lengths(view: View, state: State) -> None:
    for names in view.parallel:
        lengths = [_length(view, state, name) for name in names]
        if min(lengths) != max(lengths):
            raise ValueError(
                f"view {view.name}: its lists have lengths "
                + ", ".join(f"{name} {n}" for name, n in zip(names, lengths, strict=True))
                + "; it was half written, or for other features: write the view again"
            )


def _length(view: View, state: State, name: str) -> int:
    value = state[name]
    if isinstance(value, int):
        raise ValueError(  # noqa: TRY004 - as for every state that is not the view's
            f"view {view.name}: {name} is {value!r}; expected {view.fields[name]}"
        )
    return len(value)
