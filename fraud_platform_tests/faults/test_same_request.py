"""Row 24: the same request sent again has the same decision, whatever has changed meanwhile."""

import http.client
import json
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.conftest import store_contexts
from fraud_platform_tests.serving.parts import NOW, Deploy, eventually
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.valkey_server import OwnValkeys
from serving.store_fault import Context

Run = Callable[[Settings], Process]


def post(connection: http.client.HTTPConnection, body: object) -> tuple[bytes, bool]:
    """The bytes of an answer, and whether they were given before."""
    connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 200, said
    return said, answer.headers.get("Idempotent-Replayed") == "true"


def test_a_retry_has_the_same_decision_after_a_model_swap_and_with_the_store_lost(
    run: Run,
    own_valkey: OwnValkeys,
    tmp_path: Path,
    deploy: Deploy,
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    server = own_valkey()
    settings = replace(server.settings(tmp_path / "data"), serving=Serving(repeat_seconds=600))
    store_contexts(settings, contexts)
    deploy(settings, "1")
    connection = run(settings).connect()
    del transaction["timestamp"]
    first, replayed = post(connection, transaction)
    assert not replayed

    with open_store(settings) as store:
        store.write(VIEWS[0], {"user-3": VIEWS[0].empty}, NOW, whole=False)
    deploy(settings, "2")

    def version(number: int) -> str:
        body, _ = post(connection, transaction | {"transaction_id": f"other-{number}"})
        return json.loads(body)["model_version"]

    numbers = iter(range(10_000))
    assert eventually(lambda: version(next(numbers)) == "2")
    server.kill()

    assert [post(connection, transaction) for _ in range(3)] == [(first, True)] * 3
    assert json.loads(first)["model_version"] == "1"
    # Another amount is another request: it is judged by what is there now.
    other, replayed = post(connection, transaction | {"amount": 1.0})
    assert not replayed
    assert json.loads(other)["model_version"] == "2"
    assert json.loads(other)["degraded"]
    connection.close()


def test_a_decision_that_is_given_again_is_logged_once(
    run: Run, tmp_path: Path, deploy: Deploy, transaction: dict[str, object]
) -> None:
    settings = Settings(data_dir=tmp_path / "data", serving=Serving(repeat_seconds=600))
    deploy(settings)
    process = run(settings)
    connection = process.connect()
    answers = {post(connection, transaction)[0] for _ in range(5)}
    connection.close()
    process.stop()

    assert len(answers) == 1
    written = b"".join(p.read_bytes() for p in settings.decisions_dir.rglob("*") if p.is_file())
    assert written.count(b'"transaction_id":"tx-1"') == 1
