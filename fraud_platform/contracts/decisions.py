"""The decision record: what the service answered, and everything needed to compute it again."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fraud_platform.errors import PredictFlowError

Action = Literal["block", "allow"]


class LoggedReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason as it was given: the feature, its value (None where missing), its contribution in
    log-odds of the model's own margin, and the words."""

    feature: str
    value: float | None
    contribution: float
    text: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the service. Money is cents, time microseconds UTC.

    `features` is the vector that was scored, in the catalogue's order, None where missing. Its
    numbers are float64 and come back from JSON with the same bits; none is infinite, as XGBoost
    scores no such vector.
    """

    decision_id: str
    decided_us: int
    request_id: str
    key_id: str | None
    """The API key that asked; None where the service runs without keys."""
    transaction_id: str
    timestamp_us: int
    user_id: str
    merchant_id: str
    device_id: str | None
    amount_cents: int
    features: list[float | None]
    state_age_s: float | None
    """Seconds from the moment up to which the oldest view read is complete to the decision; None
    where the store knew neither the user nor the merchant."""
    fault: str | None
    """What was wrong with the online store, as in the metrics."""
    model_version: str
    model_sha256: str
    """Of the bundle's model.ubj."""
    threshold: float
    fraud_probability: float
    is_fraud: bool
    confidence: float
    degraded: bool
    degraded_reason: str | None
    reasons: list[LoggedReason] | None
    """As they were answered; None where none were asked for."""
    latency_us: int
    """Microseconds from the request's arrival at the handler to its decision."""
    action: Action = None  # pyright: ignore[reportAssignmentType] - see __post_init__
    """What the caller was told to do: "allow" too where a would-be block was let pass."""
    propensity: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """The probability of this action, given the verdict; 1 where nothing was drawn."""
    pass_limit_cents: int | None = None
    """A larger payment was never let pass; None where no limit was in force."""

    def __post_init__(self) -> None:
        if self.action is None:  # a record of before there were actions
            msgspec.structs.force_setattr(self, "action", "block" if self.is_fraud else "allow")


class DecisionError(PredictFlowError):
    """Bytes that are no decision record."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Decision)


def encode_decisions(decisions: list[Decision]) -> bytes:
    """The decisions as NDJSON, one line each."""
    return _encoder.encode_lines(decisions)


def decode_decision(line: bytes) -> Decision:
    """The decision in one line of NDJSON; raises DecisionError for anything else."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecisionError(f"not a decision record: {error}") from error


def document(decision: Decision) -> dict[str, Any]:
    """The decision as JSON's own types, for a table or a page."""
    return msgspec.to_builtins(decision)
