"""What the service takes and answers, and the checks that a request must pass."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fraud_platform.contracts.decisions import Action
from fraud_platform.contracts.events import (
    MAX_AMOUNT,
    Identifier,
    Moment,
    amount_cents,
    timestamp_us,
)
from fraud_platform.features.online import Event
from fraud_platform.modelling.reasons import Reason

_AMOUNT_RULE = f"a number over 0 and up to {MAX_AMOUNT:,} with at most two decimals"
_TIMESTAMP_RULE = "RFC 3339 with a zone, at most five minutes ahead"


class PredictionRequest(msgspec.Struct, frozen=True):
    """One transaction to judge: the transaction contract, its timestamp optional."""

    transaction_id: Annotated[Identifier, Meta(examples=["tx-1"])]
    user_id: Annotated[Identifier, Meta(examples=["user-7"])]
    merchant_id: Annotated[Identifier, Meta(examples=["merchant-3"])]
    amount: Annotated[
        float,
        Meta(
            description=_AMOUNT_RULE,
            examples=[129.9],
            # Only told: `event_of` checks it, and repeats the value.
            extra_json_schema={"exclusiveMinimum": 0, "maximum": MAX_AMOUNT},
        ),
    ]
    timestamp: Annotated[
        Moment | None,
        Meta(description=f"{_TIMESTAMP_RULE}; now where absent", examples=["2026-03-01T12:00:00Z"]),
    ] = None
    device_id: Annotated[
        Identifier | None, Meta(description="null or absent where unknown", examples=["device-1"])
    ] = None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on one transaction."""

    transaction_id: str
    fraud_probability: Annotated[float, Meta(ge=0, le=1)]
    is_fraud: Annotated[bool, Meta(description="fraud_probability > threshold")]
    confidence: Annotated[float, Meta(ge=0, le=1, description="|fraud_probability - 0.5| * 2")]
    threshold: Annotated[float, Meta(ge=0, le=1)]
    model_version: str
    action: Annotated[
        Action,
        Meta(description="what to do: block a fraud, unless it is one of those let pass at random"),
    ]
    degraded: Annotated[bool, Meta(description="whether it was scored without the online state")]
    degraded_reason: str | None
    reasons: Annotated[
        list[Reason] | msgspec.UnsetType,
        Meta(description="what moved the probability most, where asked for; strongest first"),
    ] = msgspec.UNSET


class RefusedError(ValueError):
    """A request that breaks the contract: which field, what was expected, the value if it is known.

    The text is for the caller and carries no identifier.
    """

    def __init__(self, detail: str, **known: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.known = known
        """Some of field, value, expectation."""


MOST_REASONS = 10
_REASONS_RULE = f"one whole number from 0 to {MOST_REASONS}"
_WHOLE = re.compile(r"[0-9]{1,2}")


def reasons_wished(given: Sequence[str]) -> int | None:
    """How many reasons a query asks for, None where it doesn't; raises RefusedError."""
    if not given:
        return None
    if len(given) == 1 and _WHOLE.fullmatch(given[0]) and int(given[0]) <= MOST_REASONS:
        return int(given[0])
    raise RefusedError(
        f"The query's reasons are not {_REASONS_RULE}",
        field="reasons",
        value="&".join(given),
        expectation=_REASONS_RULE,
    )


_LARGEST = 2**53
"""Integers past it are other numbers in most of JSON's readers."""

_decoder = msgspec.json.Decoder(PredictionRequest)


def decode_request(body: bytes) -> PredictionRequest:
    """The request in a JSON body; raises RefusedError for anything else."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(error, body) from error
    except msgspec.DecodeError as error:
        raise RefusedError(
            f"The body is not JSON: {error}", field="body", expectation="a JSON object"
        ) from error
    except UnicodeDecodeError as error:
        raise RefusedError(
            "The body is not UTF-8", field="body", expectation="JSON in UTF-8"
        ) from error
    except RecursionError as error:
        raise RefusedError(
            "The body is nested too deeply", field="body", expectation="a flat object"
        ) from error


def event_of(request: PredictionRequest, now_us: int) -> Event:
    """The event to compute features for; raises RefusedError for an amount or a time out of bounds.

    `now_us` is the time in microseconds UTC, and the event's where the request has none.
    """
    try:
        cents = amount_cents(request.amount)
    except ValueError as error:
        raise RefusedError(
            str(error), field="amount", value=request.amount, expectation=_AMOUNT_RULE
        ) from error
    moment = request.timestamp
    try:
        us = now_us if moment is None else timestamp_us(moment, now_us)
    except ValueError as error:
        raise RefusedError(
            str(error), field="timestamp", value=moment, expectation=_TIMESTAMP_RULE
        ) from error
    return Event(
        timestamp_us=us,
        amount_cents=cents,
        merchant_id=request.merchant_id,
        device_id=request.device_id,
    )


def _refusal(error: msgspec.ValidationError, body: bytes) -> RefusedError:
    """msgspec's text taken apart: "Expected `str`, got `int` - at `$.user_id`"."""
    text, _, path = str(error).partition(" - at `$.")
    missing = "Object missing required field `"
    if text.startswith(missing):
        field = text.removeprefix(missing).rstrip("`")
        return RefusedError(f"Field {field} is missing", field=field, expectation="present")
    field = path.rstrip("`")
    expected = text.removeprefix("Expected ").partition(", got ")[0].replace("`", "")
    rule = {"amount": _AMOUNT_RULE, "timestamp": _TIMESTAMP_RULE}.get(field, expected)
    if not field:
        return RefusedError(text.replace("`", ""), field="body", expectation=rule)
    known = {"field": field, "value": _value_of(field, body), "expectation": rule}
    return RefusedError(f"Field {field}: {text.replace('`', '')}", **known)


def _value_of(field: str, body: bytes) -> object:
    """A field's value as it came; UNSET where that cannot be told, or is no single value."""
    try:
        value = msgspec.json.decode(body)[field]
    except (ValueError, RecursionError):  # broken further on: the first fault was told
        return msgspec.UNSET
    if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > _LARGEST):
        return msgspec.UNSET
    return value
