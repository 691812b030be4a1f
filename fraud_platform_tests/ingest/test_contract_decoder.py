"""Messages are held to the contract; fields beyond it are taken note of and left out."""

import msgspec
import pytest

from fraud_platform.ingest.contract_decoder import (
    MAX_NEW_FIELDS,
    MAX_RECORD,
    TYPE_CHANGED,
    ContractDecoder,
)
from fraud_platform.ingest.rows import now_us
from fraud_platform_tests.followers import label, transaction

encode = msgspec.json.encode


def reasons(kind: str, *values: bytes | None) -> list[str]:
    decoded = ContractDecoder(kind).decode(values, now_us())  # pyright: ignore[reportArgumentType]
    return [rejected.reason for rejected in decoded.rejected]


def test_what_keeps_the_contract_is_taken_in_its_order():
    values = [encode(transaction(n, device_id=None if n == 1 else "d")) for n in range(3)]
    accepted = ContractDecoder("transactions").decode(values, now_us()).accepted
    assert accepted["offset"].to_list() == [0, 1, 2]
    assert accepted["transaction_id"].to_list() == ["t0", "t1", "t2"]
    assert accepted["amount_cents"].to_list() == [1, 2, 3]
    assert accepted["device_id"].to_list() == ["d", None, "d"]
    labels = ContractDecoder("labels").decode([encode(label(10))], now_us()).accepted
    assert labels["is_fraud"].to_list() == [True]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the record has no value (it is a tombstone)"),
        (b"", "Input data was truncated"),
        (b"\xff\xfe", "JSON is malformed"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"a":' * 5_000, "the record is nested too deeply"),
        (b" " * (MAX_RECORD + 1), "the record has 65,537 bytes, allowed are 65,536"),
        (encode(transaction(1)).replace(b"0.02", b"NaN"), "JSON is malformed"),
        (encode(transaction(1)).replace(b"0.02", b"1e999"), "Number out of range - at `$.amount`"),
        (encode(transaction(1, amount=-1)), "amount -1.0 is not over 0"),
        (encode(transaction(1, amount=0.001)), "amount 0.001 has more than two decimals"),
        (encode(transaction(1, timestamp="2099-01-01T00:00:00Z")), "more than five minutes ahead"),
        (encode(transaction(1, timestamp="2026-03-01T00:00:00")), "with a timezone component"),
        (encode(transaction(1, timestamp="0001-01-01T00:00:00+14:00")), "can't be read"),
        (encode(transaction(1, user_id="")), "`str` of length >= 1 - at `$.user_id`"),
        (encode(transaction(1, user_id="x" * 65)), "`str` of length <= 64 - at `$.user_id`"),
        (b'{"transaction_id": "t"}', "Object missing required field"),
        (encode(transaction(1)).replace(b'"t1"', b'"\\ud800"'), "surrogate"),
    ],
)
def test_what_breaks_the_contract_is_set_aside_with_its_reason(value: bytes | None, reason: str):
    (found,) = reasons("transactions", value)
    assert reason in found


def test_the_good_ones_among_the_bad_are_taken():
    values = [encode(transaction(0)), b"{", encode(transaction(2)), None, encode(transaction(4))]
    decoded = ContractDecoder("transactions").decode(values, now_us())
    assert decoded.accepted["offset"].to_list() == [0, 2, 4]
    assert [(one.offset, one.raw) for one in decoded.rejected] == [(1, b"{"), (3, b"")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("transactions", transaction(1, user_id=7)),
        ("transactions", transaction(1, amount="12.50")),
        ("transactions", transaction(1, timestamp=1_700_000_000)),
        ("labels", label(1, is_fraud=1)),
        ("labels", label(1, is_fraud="yes")),
    ],
)
def test_a_changed_type_is_told_as_one(kind: str, value: dict[str, object]):
    (found,) = reasons(kind, encode(value))
    assert found.startswith(TYPE_CHANGED)


def test_a_new_field_is_left_out_and_told_once():
    decoder = ContractDecoder("transactions", known_fields=["known"])
    more = {"channel": "web", "geo-data": {"lat": 1.5}, "known": 1}
    values = [
        encode(transaction(0)),
        encode(transaction(1, **more)),
        encode(transaction(2, **more)),
    ]
    decoded = decoder.decode(values, now_us())
    assert decoded.new_fields == {"channel": 1, "geo-data": 1}
    assert decoded.accepted.height == 3
    again = decoder.decode([encode(transaction(3, **more, new_0=None))], now_us())
    assert (again.new_fields, again.accepted.height) == ({"new_0": 0}, 1)


def test_a_record_that_is_rejected_tells_no_new_field():
    value = encode(transaction(1, channel="web", user_id=7))
    decoded = ContractDecoder("transactions").decode([value], now_us())
    assert (decoded.new_fields, len(decoded.rejected)) == ({}, 1)


def test_endless_new_fields_are_noticed_only_so_far():
    decoder = ContractDecoder("transactions")
    values = [encode(transaction(n, **{f"field{n}": n})) for n in range(MAX_NEW_FIELDS + 20)]
    decoded = decoder.decode(values, now_us())
    assert len(decoded.new_fields) == MAX_NEW_FIELDS
    assert decoded.accepted.height == len(values)
