"""The service as it runs: its own process, real HTTP, real signals."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from msgspec.structs import replace

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.keys import create_key
from fraud_platform.modelling.bundle import MODEL
from fraud_platform.modelling.promotions import By, promote
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.parts import NOW, Client, Deploy, eventually, paired
from fraud_platform_tests.serving.process import Process
from serving.model import load_model, score
from serving.run import serve
from serving.store_fault import NOTHING_KNOWN, Context


def post(connection: http.client.HTTPConnection, body: object) -> tuple[int, dict]:
    """The status and the answer to a transaction."""
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/predict", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_process_answers_as_the_app_does_and_imports_no_more_than_it_needs(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    client: Client,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    process = run(settings)
    connection = process.connect()
    assert process.ready_line == (
        f"PredictFlow answers on http://127.0.0.1:{process.port}, model 1; "
        "without API keys, so this machine alone\n"
    )

    marked = transaction | {"transaction_id": "secret-id"}
    here = client.post("/predict", json=marked).json()
    # The deadline is 20 ms here, which a busy machine misses now and then.
    assert eventually(lambda: post(connection, marked) == (200, here))
    connection.request("POST", "/predict?reasons=3", json.dumps(marked))
    assert len(json.loads(connection.getresponse().read())["reasons"]) == 3
    assert post(connection, {"user_id": "secret-user", "amount": "secret"})[0] == 400
    assert post(connection, marked | {"user_id": "secret-user"})[0] == 200
    connection.close()

    status, out = process.stop()
    assert status == 0
    dear = {"dagster", "mlflow", "pandas", "feast", "sklearn", "polars", "duckdb", "pyarrow"}
    dear |= {"requests"}  # what the traces are sent with
    assert not dear & set(json.loads(out))
    log = [json.loads(line) for line in process.log_file.read_text().splitlines()]
    assert log[0]["event"] == "model_live"
    assert "secret" not in str(log)


def test_no_answer_mixes_two_models_while_they_are_swapped(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    bundles = [deploy(settings, version) for version in ("1", "2")]
    event = Event(
        timestamp_us=int(NOW.timestamp() * 1e6),
        amount_cents=12_990,
        merchant_id="merchant-4",
        device_id="device-1",
    )
    context = paired(contexts, "3", "4")
    possible = {
        (model.manifest.model_version, degraded, score(model, compute_vector(event, seen)))
        for model in map(load_model, bundles)
        for degraded, seen in ((False, context), (True, NOTHING_KNOWN))
    }
    assert len({probability for _, _, probability in possible}) == 4
    process = run(settings)
    answers: list[tuple[int, dict]] = []
    end = time.monotonic() + 2.5

    def ask() -> None:
        connection = process.connect()
        while time.monotonic() < end:
            answers.append(post(connection, transaction))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    swaps = 0
    while time.monotonic() < end:
        promote(settings.bundles_dir, bundles[swaps % 2], By(who="test", why="a swap"))
        swaps += 1
        time.sleep(0.03)
    for thread in threads:
        thread.join()

    assert {status for status, _ in answers} == {200}
    found = {(a["model_version"], a["degraded"], a["fraud_probability"]) for _, a in answers}
    assert found <= possible
    versions = [a["model_version"] for _, a in answers]
    assert sum(a != b for a, b in pairwise(versions)) >= 4
    assert swaps >= 10


def test_a_request_under_way_at_sigterm_is_answered(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    process = run(settings)
    body = json.dumps(transaction).encode()
    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.2)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.popen.poll() is None
        connection.sendall(body[10:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")

    assert process.stop()[0] == 0


def test_a_hung_store_does_not_keep_the_process_from_ending(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    settings.online_store.unlink()
    os.mkfifo(settings.online_store)
    process = run(settings)

    connection = process.connect()
    status, answer = post(connection, transaction)
    connection.close()
    started = time.monotonic()
    exit_status, _ = process.stop()

    assert (status, answer["degraded"]) == (200, True)
    assert exit_status == 0
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("deployed", [False, True], ids=["none deployed", "a broken one deployed"])
def test_without_a_model_the_ready_line_says_so(
    run: Callable[[Settings], Process], settings: Settings, deploy: Deploy, deployed: bool
) -> None:
    if deployed:
        (deploy(settings) / MODEL).write_bytes(b"")

    process = run(settings)

    expected = "the model was refused" if deployed else "no model yet"
    assert f", {expected}; " in process.ready_line


def test_a_port_in_use_is_named_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PredictFlowError, match=rf"port {port} on 127.0.0.1 .* is in use; stop"):
            serve(Settings(serving=Serving(port=port)))


def test_an_address_of_another_machine_is_named_with_the_mend(settings: Settings) -> None:
    create_key(settings.keys_file, "test", ("predict",))
    settings = replace(settings, serving=Serving(host="203.0.113.1", port=0))
    with pytest.raises(PredictFlowError, match=r"203\.0\.113\.1 .*set an address of this machine"):
        serve(settings)
