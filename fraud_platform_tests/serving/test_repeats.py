"""The same request has the same answer, whichever worker it comes to and whoever was killed."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from fraud_platform.features.online import Event
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import NOW, Client, Deploy, Start, samples
from fraud_platform_tests.serving.process import CHECKOUT
from fraud_platform_tests.serving.worker import Worker
from serving import repeats
from serving.answer_metrics import RepeatMetrics
from serving.messages import PredictionRequest
from serving.repeats import SLOT, WAYS, Repeats, RequestKey, Standing

Transaction = dict[str, object]
LONG = 600


@contextmanager
def table(path: Path, slots: int = 64) -> Iterator[tuple[Repeats, CollectorRegistry]]:
    """A table in a file, and the metrics that it counts in."""
    registry = CollectorRegistry()
    made = Repeats(path, LONG, slots, RepeatMetrics(registry))
    try:
        yield made, registry
    finally:
        made.close()


def key_of(made: Repeats, number: int, amount_cents: int = 100) -> RequestKey:
    """The key of a transaction by its number."""
    request = PredictionRequest(f"tx-{number}", "u", "m", amount_cents / 100, timestamp=NOW)
    event = Event(timestamp_us=1, amount_cents=amount_cents)
    return made.key_of(None, request, event, None)


@pytest.fixture
def workers(settings: Settings, tmp_path: Path, deploy: Deploy) -> Iterator[tuple[Worker, Worker]]:
    """Two workers of one runtime directory, whose models differ: a decision says whose it is."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    started: list[Worker] = []
    try:
        for version in ("1", "2"):
            bundles = tmp_path / version
            own = replace(settings, data_dir=bundles)
            deploy(own, version)
            started.append(Worker(own, runtime))
        yield started[0], started[1]
    finally:
        for worker in started:
            worker.kill()


def test_two_workers_agree_also_where_they_are_asked_at_once(
    workers: tuple[Worker, Worker], transaction: Transaction
) -> None:
    del transaction["timestamp"]
    found: list[list[tuple[bytes, bool]]] = [[], []]
    barrier = threading.Barrier(2)

    def ask(place: int) -> None:
        connection = workers[place].connect()
        for i in range(150):
            body = json.dumps(transaction | {"transaction_id": f"tx-{i}"})
            barrier.wait(30)
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            found[place].append((answer.read(), replayed))
        connection.close()

    threads = [threading.Thread(target=ask, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    one, other = found
    assert len(one) == len(other) == 150
    assert [body for body, _ in one] == [body for body, _ in other]
    # One of the two judged, the other gave its answer.
    assert all(a != b for (_, a), (_, b) in zip(one, other, strict=True))
    assert {json.loads(body)["model_version"] for body, _ in one} == {"1", "2"}


def test_a_repeat_has_the_same_bytes_after_the_first_worker_is_gone(
    workers: tuple[Worker, Worker], transaction: Transaction
) -> None:
    first, second = workers
    before = first.post(transaction)
    first.kill()

    written_otherwise = dict(reversed(transaction.items())) | {"unknown": 1}
    after = second.post(written_otherwise)

    assert after.body == before.body
    assert (before.replayed, after.replayed) == (False, True)


def test_another_content_another_wish_and_another_id_are_judged_anew(
    settings: Settings, deploy: Deploy, start: Start, transaction: Transaction
) -> None:
    deploy(settings)
    serving = replace(settings.serving, repeat_seconds=LONG)
    with start(replace(settings, serving=serving)) as client:
        first = client.post("/predict", json=transaction)
        others = [
            client.post("/predict", json=transaction | {"amount": 130.0}),
            client.post("/predict?reasons=1", json=transaction),
            client.post("/predict", json=transaction | {"transaction_id": "tx-2"}),
            client.post("/predict", json=transaction | {"device_id": None}),
        ]
        again = client.post("/predict", json=transaction)
        found = samples(client)

    assert not any("idempotent-replayed" in answer.headers for answer in [first, *others])
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert found["fraud_requests_changed_total"] == 3
    assert found["fraud_requests_replayed_total"] == 1
    decided = "fraud_prediction_latency_seconds_count"
    assert found[decided] == 5


def test_by_the_setting_a_repeat_is_judged_anew(
    settings: Settings, deploy: Deploy, start: Start, transaction: Transaction
) -> None:
    assert settings.serving.repeat_seconds == 0
    deploy(settings)
    with start(settings) as client:
        answers = [client.post("/predict", json=transaction) for _ in range(2)]

    assert not any("idempotent-replayed" in answer.headers for answer in answers)


def test_a_refused_request_is_not_kept(client: Client, transaction: Transaction) -> None:
    refused = transaction | {"transaction_id": "refused", "amount": -1}

    assert [client.post("/predict", json=refused).status_code for _ in range(2)] == [400, 400]
    good = client.post("/predict", json=refused | {"amount": 1})
    assert "idempotent-replayed" not in good.headers


def test_an_answer_leaves_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = repeats._now_us()
    with table(tmp_path / "table") as (made, _):
        key = key_of(made, 1)
        assert made.claim(key, b"{}", pending=False) is Standing.NEW
        monkeypatch.setattr(repeats, "_now_us", lambda: now + (LONG - 1) * 1_000_000)
        assert made.find(key) == b"{}"
        monkeypatch.setattr(repeats, "_now_us", lambda: now + (LONG + 1) * 1_000_000)
        assert made.find(key) is None
        assert made.claim(key, b"[]", pending=False) is Standing.NEW
        assert made.find(key) == b"[]"


def test_in_a_full_bucket_the_oldest_makes_room_and_is_counted(tmp_path: Path) -> None:
    with table(tmp_path / "table", slots=WAYS) as (made, registry):
        keys = [key_of(made, i) for i in range(WAYS + 2)]
        for i, key in enumerate(keys):
            assert made.claim(key, b"%d" % i, pending=False) is Standing.NEW
            time.sleep(0.001)

        assert [made.find(key) for key in keys] == [None, None, *(b"%d" % i for i in range(2, 10))]
        assert registry.get_sample_value("fraud_repeats_lost_total", {"reason": "full"}) == 2


def test_a_long_answer_is_compressed_and_one_too_long_for_that_is_counted(tmp_path: Path) -> None:
    reasons = b'{"feature":"amount","contribution":0.123}' * 60
    noise = bytes(range(256)) * 4 + msgspec.json.encode([i**7 for i in range(500)])
    with table(tmp_path / "table") as (made, registry):
        assert made.claim(key_of(made, 1), reasons, pending=False) is Standing.NEW
        assert made.find(key_of(made, 1)) == reasons
        assert made.claim(key_of(made, 2), noise, pending=False) is Standing.NEW
        assert made.find(key_of(made, 2)) is None
        assert registry.get_sample_value("fraud_repeats_lost_total", {"reason": "too_long"}) == 1


def test_ten_reasons_fit(client: Client, transaction: Transaction) -> None:
    asked = transaction | {"transaction_id": "x" * 64}
    first = client.post("/predict?reasons=10", json=asked)
    again = client.post("/predict?reasons=10", json=asked)

    assert len(first.json()["reasons"]) > 3
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


def test_a_decision_that_is_not_logged_yet_is_given_to_nobody(tmp_path: Path) -> None:
    with table(tmp_path / "table") as (made, _):
        key = key_of(made, 1)
        assert made.claim(key, b"1", pending=True) is Standing.NEW
        assert made.find(key) is None
        assert made.claim(key, b"2", pending=True) is Standing.PENDING
        made.settle(key, stored=True)
        assert made.find(key) == made.claim(key, b"2", pending=True) == b"1"

        other = key_of(made, 2)
        made.claim(other, b"1", pending=True)
        made.settle(other, stored=False)
        assert made.claim(other, b"2", pending=True) is Standing.NEW


def test_a_damaged_slot_is_free_and_none_gives_a_wrong_answer(tmp_path: Path) -> None:
    path, answer = tmp_path / "table", b'{"transaction_id":"tx-1","is_fraud":false}'
    with table(path, slots=WAYS) as (made, _):
        key = key_of(made, 1)
        made.claim(key, answer, pending=False)
    whole = path.read_bytes()
    begin = WAYS * SLOT  # the first bucket holds the key of the hashes
    used = [*range(begin, begin + 52), *range(begin + 512, begin + 512 + len(answer))]
    for place in used:
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        with table(path, slots=WAYS) as (made, _):
            assert made.find(key) is None, place
            assert made.claim(key, b"anew", pending=False) is Standing.NEW
            assert made.find(key) == b"anew"


WRITER = """
import sys
from itertools import cycle
from pathlib import Path
from serving.lean_import import import_xgboost_alone
import_xgboost_alone()
from prometheus_client import CollectorRegistry
from serving.answer_metrics import RepeatMetrics
from serving.repeats import Repeats, RequestKey
made = Repeats(Path(sys.argv[1]), 600, 64, RepeatMetrics(CollectorRegistry()))
jobs = [eval(line) for line in sys.stdin]
print(flush=True)
for key, answer in cycle(jobs):
    made.claim(RequestKey(*key), answer, pending=False)
"""


def answer_of(number: int) -> bytes:
    """The one right answer to a transaction, of another length for each."""
    return b"%d;" % number * (1 + number % 150)


def test_a_worker_killed_in_the_middle_of_writing_leaves_no_wrong_answer(tmp_path: Path) -> None:
    path = tmp_path / "table"
    with table(path) as (made, _):
        jobs = [(tuple(key_of(made, i)), answer_of(i)) for i in range(3_000)]
    for kill in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, path],
            env={"PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join(map(repr, jobs)))
        process.stdin.close()
        process.stdout.readline()
        time.sleep(0.1 + 0.037 * kill)
        process.kill()
        process.wait()
        process.stdout.close()
        with table(path) as (made, _):
            found = {i: made.find(key_of(made, i)) for i in range(3_000)}
            # No lock of the killed one is left either.
            assert made.claim(key_of(made, 5_000 + kill), b"x", pending=False) is Standing.NEW
        right = {i: answer for i, answer in found.items() if answer is not None}
        assert len(right) > 10
        assert right == {i: answer_of(i) for i in right}
