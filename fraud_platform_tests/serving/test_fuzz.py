"""Whatever the bytes of a request, the answer is a decision or a 4xx."""

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fraud_platform_tests.serving.parts import GOOD, JSON, Client, problem

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(st.characters(), max_size=70)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
names = st.sampled_from([*GOOD, "timestamp", "device_id", "other"])
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(changes=st.dictionaries(names, anything, max_size=3))
@example(changes={"user_id": "\ud800"})
@example(changes={"amount": float("nan")})
def test_no_value_of_any_field_makes_the_service_fail(
    client: Client, changes: dict[str, Any]
) -> None:
    body = json.dumps(GOOD | changes).encode()

    if client.post("/predict?reasons=10", content=body, headers=JSON).status_code != 200:
        problem(client, body)


@QUICK
@given(given=st.lists(st.text(max_size=5) | st.integers(-2, 12).map(str), max_size=2))
@example(given=[""])
@example(given=["٣"])
def test_no_reasons_wished_make_the_service_fail(client: Client, given: list[str]) -> None:
    answer = client.post("/predict", params={"reasons": given}, json=GOOD)

    wished = [str(n) for n in range(11)]
    if not given:
        assert "reasons" not in answer.json()
    elif len(given) == 1 and given[0].removeprefix("0") in ["", *wished] and given[0]:
        assert len(answer.json()["reasons"]) <= int(given[0])
    else:
        assert answer.status_code == 400
        assert answer.json()["field"] == "reasons"


@QUICK
@given(query=st.lists(st.sampled_from(["reasons", *"=&%;+0139aF[]"])).map("".join))
@example(query="reasons=%ff")
@example(query="%ED%A0%80=reasons")
def test_no_query_makes_the_service_fail(client: Client, query: str) -> None:
    sent = client.build_request("POST", "/predict", json=GOOD)
    sent.url = sent.url.copy_with(query=query.encode())

    assert client.send(sent).status_code in (200, 400)


@QUICK
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_service_fail(client: Client, body: bytes) -> None:
    problem(client, body)


@QUICK
@given(data=st.data())
def test_no_damage_to_a_good_body_makes_the_service_fail(
    client: Client, data: st.DataObject
) -> None:
    body = bytearray(json.dumps(GOOD | {"timestamp": "2024-03-01T12:00:00Z"}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    if client.post("/predict", content=bytes(body), headers=JSON).status_code != 200:
        problem(client, bytes(body))
