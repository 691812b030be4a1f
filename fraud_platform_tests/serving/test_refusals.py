"""A request that breaks the contract is answered with a problem that says where."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from fraud_platform_tests.serving.parts import GOOD, JSON, Client, problem, with_field
from serving.problems import BODY_LIMIT


@pytest.mark.parametrize(
    "raw",
    ["0", "-0.0", "-1", "0.001", "1.005", "1000000.01", "1e308", "99999999999999999999", "9" * 300],
)
def test_an_amount_that_is_no_money_is_named_with_its_rule(client: Client, raw: str) -> None:
    found = problem(client, with_field("amount", raw))

    assert found["field"] == "amount"
    assert found["value"] == float(raw)
    assert found["expectation"] == "a number over 0 and up to 1,000,000 with at most two decimals"


@pytest.mark.parametrize("raw", ["true", '"1"', "null", "[]", "{}", "1e999", "9" * 400])
def test_an_amount_of_another_type_is_named(client: Client, raw: str) -> None:
    assert problem(client, with_field("amount", raw))["field"] == "amount"


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "01", "1.", "+1", "0x1", ""])
def test_what_json_has_no_number_for_is_no_json(client: Client, raw: str) -> None:
    assert "JSON" in problem(client, with_field("amount", raw))["detail"]


@pytest.mark.parametrize("name", ["transaction_id", "user_id", "merchant_id", "device_id"])
@pytest.mark.parametrize("raw", ['""', '"' + "x" * 65 + '"', "1", "[]", "true"])
def test_an_identifier_that_is_none_is_named(client: Client, name: str, raw: str) -> None:
    found = problem(client, with_field(name, raw))

    assert found["field"] == name
    assert "str" in found["expectation"]


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field_is_named(client: Client, name: str) -> None:
    found = problem(client, json.dumps({k: v for k, v in GOOD.items() if k != name}).encode())

    assert (found["field"], found["detail"]) == (name, f"Field {name} is missing")


@pytest.mark.parametrize(
    "raw",
    [
        '"yesterday"',
        '"2024-03-01"',
        '"2024-03-01T12:00:00"',
        '"2024-02-30T12:00:00Z"',
        '"0000-01-01T00:00:00Z"',
        '"2024-03-01T12:00:60Z"',
        "1709294400",
    ],
)
def test_a_timestamp_that_is_none_is_named(client: Client, raw: str) -> None:
    found = problem(client, with_field("timestamp", raw))

    assert found["field"] == "timestamp"
    assert found["expectation"] == "RFC 3339 with a zone, at most five minutes ahead"


def test_a_timestamp_more_than_five_minutes_ahead_is_refused(client: Client) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    found = problem(client, with_field("timestamp", f'"{ahead}"'))

    assert found["field"] == "timestamp"
    assert "five minutes ahead" in found["detail"]


def test_the_ends_of_the_calendar_are_answered(client: Client) -> None:
    first = with_field("timestamp", '"0001-01-01T00:00:00+14:00"')
    last = with_field("timestamp", '"9999-12-31T23:59:59-14:00"')

    answer = client.post("/predict?reasons=10", content=first, headers=JSON)
    assert answer.status_code == 200
    assert problem(client, last)["field"] == "timestamp"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"\x00" * 100,
        b"\xff\xfe{\x00}\x00",
        b"a=1&b=2",
        b'{"x":' * 10_000,
        b"[" * 60_000,
        b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        with_field("user_id", r'"\ud800"'),
        with_field("user_id", r'"\udc00\ud800"'),
        with_field("user_id", '"x"').replace(b'"x"', b'"\xed\xa0\x80"'),
        with_field("user_id", '"x"').replace(b'"x"', b'"\xff"'),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_transaction_is_refused(client: Client, body: bytes) -> None:
    assert problem(client, body)["expectation"]


def test_a_body_over_the_limit_is_refused_and_one_at_it_is_not(client: Client) -> None:
    body = json.dumps(GOOD).encode()

    at = client.post("/predict", content=body.ljust(BODY_LIMIT), headers=JSON)

    assert at.status_code == 200
    assert "65,536 bytes" in problem(client, body.ljust(BODY_LIMIT + 1), 413)["detail"]
    assert problem(client, b" " * 1_000_000, 413)


def test_a_body_over_the_limit_is_refused_where_its_length_is_not_announced(client: Client) -> None:
    parts = iter([b" " * 40_000] * 2)

    assert client.post("/predict", content=parts, headers=JSON).status_code == 413


@pytest.mark.parametrize(
    "given_type", ["application/x-www-form-urlencoded", "text/plain", "x", ";"]
)
def test_another_content_type_is_refused(client: Client, given_type: str) -> None:
    answer = client.post(
        "/predict", content=json.dumps(GOOD).encode(), headers={"content-type": given_type}
    )

    assert answer.status_code == (200 if given_type == ";" else 415)
    if given_type != ";":
        assert answer.json()["expectation"] == "application/json"


@pytest.mark.parametrize(
    "given_type", [None, "application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_taken_with_or_without_its_parameters(
    client: Client, given_type: str | None
) -> None:
    headers = {} if given_type is None else {"content-type": given_type}

    answer = client.post("/predict", content=json.dumps(GOOD).encode(), headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["11", "-1", "3.0", "three", "", "%33%00", "3&reasons=3", "1e1"])
def test_reasons_that_are_no_number_from_0_to_10_are_refused(client: Client, query: str) -> None:
    answer = client.post(f"/predict?reasons={query}", json=GOOD)

    assert answer.status_code == 400
    found = answer.json()
    assert found["type"] == "urn:predictflow:problem:invalid-parameter"
    assert (found["field"], found["expectation"]) == ("reasons", "one whole number from 0 to 10")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_with_the_right_one(client: Client, method: str) -> None:
    answer = client.request(method, "/predict")

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_path_is_a_problem_too(client: Client) -> None:
    answer = client.get("/nowhere/../<script>")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/schema/openapi.json" in answer.json()["detail"]


def test_no_identifier_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    marked = {key: f"secret-{key}" for key in ("transaction_id", "user_id", "merchant_id")}

    for changes in (
        {},
        {"amount": -1},
        {"device_id": ["secret-device"]},
        {"user_id": "secret" * 20},
    ):
        client.post("/predict", json=GOOD | marked | changes)

    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)
