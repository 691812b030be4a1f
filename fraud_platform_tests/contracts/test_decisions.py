"""The decision record goes through JSON and comes back as it was."""

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.contracts.decisions import (
    Decision,
    DecisionError,
    LoggedReason,
    decode_decision,
    document,
    encode_decisions,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def a_decision(**said: object) -> Decision:
    """A decision, with what is said put in its place."""
    fields = {
        "decision_id": "0" * 32,
        "decided_us": 1_709_294_400_000_000,
        "request_id": "r-1",
        "key_id": None,
        "transaction_id": "tx-1",
        "timestamp_us": 1_709_294_400_000_000,
        "user_id": "user-1",
        "merchant_id": "merchant-1",
        "device_id": None,
        "amount_cents": 12_990,
        "features": [0.1, None, -0.0],
        "state_age_s": None,
        "fault": None,
        "model_version": "1",
        "model_sha256": "f" * 64,
        "threshold": 0.4,
        "fraud_probability": 0.25,
        "is_fraud": False,
        "confidence": 0.5,
        "degraded": False,
        "degraded_reason": None,
        "reasons": None,
        "latency_us": 900,
    }
    return Decision(**(fields | said))  # pyright: ignore[reportArgumentType]


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


@given(st.lists(st.none() | FINITE, max_size=40), FINITE, FINITE)
def test_every_float64_comes_back_with_its_bits(
    features: list[float | None], probability: float, contribution: float
) -> None:
    reason = LoggedReason(feature="f", value=None, contribution=contribution, text="é")
    said = a_decision(features=features, fraud_probability=probability, reasons=[reason])

    (line,) = encode_decisions([said]).splitlines()
    found = decode_decision(line)

    assert found == said
    assert list(map(bits, found.features)) == list(map(bits, features))
    assert bits(found.fraud_probability) == bits(probability)
    assert found.reasons
    assert bits(found.reasons[0].contribution) == bits(contribution)


def test_one_line_a_decision_whatever_its_texts_hold() -> None:
    said = [a_decision(transaction_id="a\nb\r\u2028"), a_decision(user_id="用户\x00")]

    lines = encode_decisions(said).removesuffix(b"\n").split(b"\n")

    assert [decode_decision(line) for line in lines] == said


def test_a_missing_feature_is_null_and_not_a_number() -> None:
    (line,) = encode_decisions([a_decision(features=[math.nan, 1.0])]).splitlines()

    assert decode_decision(line).features == [None, 1.0]


@pytest.mark.parametrize(("is_fraud", "action"), [(True, "block"), (False, "allow")])
def test_a_record_of_before_there_were_actions_has_the_verdicts(
    is_fraud: bool, action: str
) -> None:
    record = document(a_decision(is_fraud=is_fraud))
    for name in ("action", "propensity", "pass_limit_cents"):
        del record[name]

    old = decode_decision(msgspec.json.encode(record))

    assert (old.action, old.propensity, old.pass_limit_cents) == (action, 1.0, None)
    assert decode_decision(encode_decisions([old])) == old


@pytest.mark.parametrize(
    "said", [{"action": "pass"}, {"propensity": 0.0}, {"propensity": 1.1}, {"action": None}]
)
def test_an_action_or_a_propensity_that_is_none_is_refused(said: dict[str, object]) -> None:
    record = document(a_decision()) | said

    with pytest.raises(DecisionError, match="not a decision record"):
        decode_decision(msgspec.json.encode(record))


@pytest.mark.parametrize("line", [b"", b"{}", b'{"decision_id": "0', b"[]", b'"\xff"', b"[" * 9999])
def test_what_is_no_decision_is_refused(line: bytes) -> None:
    with pytest.raises(DecisionError, match="not a decision record"):
        decode_decision(line)
