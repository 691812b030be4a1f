"""A batch is decided as its transactions would be one by one, and holds no other request up."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from fraud_platform.features.state import VIEWS
from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import GOOD, JSON, Client, Deploy, Start, samples
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey
from serving.batch import MOST
from serving.problems import BATCH_BODY_LIMIT

Transaction = dict[str, object]


def many(transaction: Transaction, count: int) -> list[Transaction]:
    """Transactions of the users and merchants that are known, and of some that are not."""
    return [
        transaction
        | {
            "transaction_id": f"tx-{i}",
            "user_id": f"user-{i % 25}",
            "merchant_id": f"merchant-{i % 23}",
            "amount": 1 + i * 13 % 900,
        }
        for i in range(count)
    ]


@pytest.fixture(params=["sqlite", "redis"])
def asked(request: pytest.FixtureRequest, deploy: Deploy, start: Start) -> Iterator[Client]:
    """An app on each kind of store, whose deadlines are long."""
    settings = request.getfixturevalue("settings" if request.param == "sqlite" else "in_redis")
    serving = replace(settings.serving, batch_deadline_ms=10_000)
    deploy(settings)
    with start(replace(settings, serving=serving)) as client:
        yield client


@pytest.mark.parametrize("query", ["", "?reasons=3"])
def test_each_of_a_batch_has_the_bytes_that_it_has_alone(
    asked: Client, transaction: Transaction, query: str
) -> None:
    items = many(transaction, 70)

    answer = asked.post(f"/predict/batch{query}", json=items)

    assert answer.status_code == 200
    alone = [asked.post(f"/predict{query}", json=item).content for item in items]
    assert answer.content == b"[" + b",".join(alone) + b"]"
    assert len({one["fraud_probability"] for one in answer.json()}) > 20
    assert not any(one["degraded"] for one in answer.json())


def test_an_item_that_breaks_the_contract_is_a_problem_in_its_place(
    asked: Client, transaction: Transaction
) -> None:
    items = [*many(transaction, 2), GOOD | {"amount": -1}, [], {"user_id": "u"}, transaction]

    answers = asked.post("/predict/batch", json=items).json()

    assert [one.get("status", 200) for one in answers] == [200, 200, 400, 400, 400, 200]
    assert answers[2] == asked.post("/predict", json=items[2]).json()
    assert answers[2]["field"] == "amount"
    assert [answers[i]["transaction_id"] for i in (0, 1, 5)] == ["tx-0", "tx-1", "tx-1"]
    assert samples(asked)["fraud_batch_transactions_total"] == 6


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[]", b"[1", b"\xff", b"[" * 60_000, b"[1,]", json.dumps([1] * 1001)],
    ids=["empty", "object", "null", "none", "torn", "no UTF-8", "deep", "comma", "too many"],
)
def test_what_is_no_batch_is_refused(client: Client, body: bytes | str) -> None:
    answer = client.post("/predict/batch", content=body, headers=JSON)

    assert answer.status_code == 400
    found = answer.json()
    assert found["type"] == "urn:predictflow:problem:invalid-batch"
    assert (found["field"], found["expectation"]) == (
        "body",
        "a JSON array of 1 to 1,000 transactions",
    )


def test_a_batch_may_be_larger_than_a_transaction_up_to_its_own_limit(client: Client) -> None:
    body = json.dumps([GOOD]).encode()

    at = client.post("/predict/batch", content=body.ljust(BATCH_BODY_LIMIT), headers=JSON)
    over = client.post("/predict/batch", content=body.ljust(BATCH_BODY_LIMIT + 1), headers=JSON)

    assert at.status_code == 200
    assert over.status_code == 413
    assert "524,288 bytes" in over.json()["detail"]
    assert client.post("/predict", content=body.ljust(65_537), headers=JSON).status_code == 413


def test_a_batch_without_a_model_is_503(settings: Settings, start: Start) -> None:
    with start(settings) as client:
        assert client.post("/predict/batch", json=[GOOD]).status_code == 503


def test_a_torn_row_degrades_its_item_alone(
    in_redis: Settings, valkey: Valkey, deploy: Deploy, start: Start, transaction: Transaction
) -> None:
    deploy(in_redis)
    with valkey.client() as server:
        server.execute_command("HDEL", redis_key("user_id", "user-1"), redis_fields(VIEWS[0])[0])
    with start(in_redis) as client:
        answers = client.post("/predict/batch", json=many(transaction, 4)).json()

    assert [one["degraded"] for one in answers] == [False, True, False, False]


def test_a_store_that_hangs_degrades_a_batch_at_its_own_deadline(
    own_valkey: OwnValkeys,
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: Transaction,
) -> None:
    server = own_valkey()
    serving = replace(settings.serving, batch_deadline_ms=200)
    deploy(settings)
    with start(replace(settings, online=server.online(), serving=serving)) as client:
        server.hang()
        started = time.perf_counter()
        answers = client.post("/predict/batch", json=many(transaction, 100)).json()
        took = time.perf_counter() - started
        server.go_on()

    assert {one["degraded_reason"] for one in answers} == {
        "the online store did not answer in time; scored without history"
    }
    assert 0.2 <= took < 2


def test_the_same_item_again_has_the_same_answer_alone_or_in_a_batch(
    client: Client, transaction: Transaction
) -> None:
    twice = transaction | {"transaction_id": "twice"}
    del twice["timestamp"]

    first, second = client.post("/predict/batch", json=[twice, twice]).json()
    again = client.post("/predict/batch", json=[twice])
    alone = client.post("/predict", json=twice)

    assert first == second == again.json()[0] == alone.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert alone.headers["idempotent-replayed"] == "true"


def test_beside_full_batches_single_requests_wait_little(
    in_redis: Settings, deploy: Deploy, run: Callable[[Settings], Process], transaction: Transaction
) -> None:
    deploy(in_redis)
    process = run(in_redis)
    body = json.dumps(many(transaction, MOST))
    batches: list[float] = []
    stop = threading.Event()

    def ask_batches() -> None:
        connection = process.connect()
        while not stop.is_set():
            batches.append(timed(connection, "/predict/batch", body))
        connection.close()

    thread = threading.Thread(target=ask_batches)
    connection = process.connect()
    for _ in range(50):
        timed(connection, "/predict", json.dumps(transaction))
    thread.start()
    waits = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        waits.append(timed(connection, "/predict", json.dumps(transaction)))
        time.sleep(0.005)
    stop.set()
    thread.join()
    connection.close()

    waits.sort()
    assert len(batches) >= 2
    # A batch takes some hundred milliseconds; had it the loop to itself, so would these.
    assert waits[len(waits) // 2] < 0.05
    assert waits[int(len(waits) * 0.95)] < min(batches) / 2


def timed(connection: http.client.HTTPConnection, path: str, body: str) -> float:
    """Seconds that a request took, which must be answered."""
    started = time.perf_counter()
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return time.perf_counter() - started
