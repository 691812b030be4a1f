"""What the edge takes, as msgspec decodes it."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from fraud_platform.clock import to_us
from fraud_platform.contracts.events import Label, Transaction, timestamp_us

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {
    "transaction_id": "t",
    "timestamp": "2026-03-01T12:00:00Z",
    "user_id": "u",
    "merchant_id": "m",
    "amount": 10,
}


def test_unknown_fields_are_left_out_and_a_device_may_be_missing():
    found = msgspec.json.decode(json.dumps(GOOD | {"colour": [1]}), type=Transaction)
    assert (found.amount, found.device_id, found.timestamp) == (10.0, None, NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", ""),
        ("user_id", "u" * 65),
        ("device_id", ""),
        ("merchant_id", 7),
        ("amount", "10"),
        ("amount", None),
        ("timestamp", "2026-03-01T12:00:00"),
        ("timestamp", 1_772_366_400),
    ],
)
def test_a_field_that_breaks_the_contract_is_named(field: str, value: object):
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{field}"):
        msgspec.json.decode(json.dumps(GOOD | {field: value}), type=Transaction)


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_named(field: str):
    rest = {name: value for name, value in GOOD.items() if name != field}
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.json.decode(json.dumps(rest), type=Transaction)


def test_a_label_says_who_labelled_or_that_it_is_unknown():
    text = '{"transaction_id": "t", "is_fraud": true, "labelled_at": "2026-03-01T12:00:00Z"}'
    assert msgspec.json.decode(text, type=Label).source == "unknown"


def test_a_payment_is_made_at_most_five_minutes_ahead():
    latest = NOW + timedelta(minutes=5)
    assert timestamp_us(latest, to_us(NOW)) == to_us(latest)
    with pytest.raises(ValueError, match="more than five minutes ahead"):
        timestamp_us(latest + timedelta(microseconds=1), to_us(NOW))
