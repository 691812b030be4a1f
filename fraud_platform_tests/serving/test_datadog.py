"""The service's figures at Datadog's agent, which is a UDP socket of the test's own."""

import json
import threading
import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fraud_platform import dogstatsd
from fraud_platform.settings import Datadog, Settings
from fraud_platform_tests.serving.parts import JSON, Client, Deploy, Start
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.statsd import Received, StatsdAgent

Transaction = dict[str, object]


def sums(got: list[Received], name: str) -> float:
    return sum(sum(one.values) for one in got if one.name == f"predictflow.{name}")


def test_what_is_decided_arrives_with_each_ones_time_and_nobodys_name(
    settings: Settings, deploy: Deploy, start: Start, transaction: Transaction
):
    deploy(settings)
    with StatsdAgent() as agent:
        datadog = agent.settings(tags="env:test", seconds=0.1)
        with start(replace(settings, datadog=datadog)) as client:
            for number in range(7):
                ask(client, transaction | {"transaction_id": f"tx-{number}"})
            assert client.post("/predict/batch", json=[transaction]).status_code == 200
        got = agent.until(lambda got: sums(got, "fraud_decisions_logged.count") == 8)

    assert sums(got, "fraud_predictions.count") == 8
    times = [one for one in got if one.name == "predictflow.fraud_prediction_latency_seconds"]
    assert sum(len(one.values) for one in times) == 7
    assert {one.kind for one in times} == {"d"}
    assert all(0 < value < 60 for one in times for value in one.values)
    (of_batch,) = (one for one in got if one.name == "predictflow.fraud_batch_latency_seconds")
    assert len(of_batch.values) == 1
    tags = {tag for one in got for tag in one.tags}
    assert {"env:test", "model_version:1"} <= tags
    assert "user-3" not in str(got)
    assert max(agent.sizes) <= dogstatsd.DATAGRAM


def test_workers_count_together_and_tag_what_is_each_ones_own(
    settings: Settings, deploy: Deploy, transaction: Transaction, run: Callable[[Settings], Process]
):
    deploy(settings)
    serving = replace(settings.serving, workers=2)
    with StatsdAgent() as agent:
        process = run(replace(settings, serving=serving, datadog=agent.settings(seconds=0.1)))
        for number in range(10):
            connection = process.connect()
            body = json.dumps(transaction | {"transaction_id": f"tx-{number}"})
            connection.request("POST", "/predict", body, JSON)
            assert connection.getresponse().read()
            connection.close()
        up = "predictflow.fraud_worker_up"
        got = agent.until(
            lambda got: (
                sums(got, "fraud_predictions.count") >= 10
                and len({one.tags for one in got if one.name == up}) == 2
            )
        )
    assert sums(got, "fraud_predictions.count") == 10
    assert sum(len(one.values) for one in got if one.kind == "d") == 10


def test_an_agent_whose_name_hangs_holds_up_no_answer(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: Transaction,
    monkeypatch: pytest.MonkeyPatch,
):
    deploy(settings)
    asked, answer = threading.Event(), threading.Event()
    real = dogstatsd.socket.getaddrinfo

    def hangs(host: object, *others: object, **options: object) -> object:
        if host != "slow.invalid":
            return real(host, *others, **options)  # type: ignore[arg-type]
        asked.set()
        answer.wait(60)
        raise OSError("not known")

    monkeypatch.setattr(dogstatsd.socket, "getaddrinfo", hangs)
    started = time.monotonic()
    with start(replace(settings, datadog=Datadog(host="slow.invalid", seconds=0.1))) as client:
        assert asked.wait(30)
        ask(client, transaction)
    took = time.monotonic() - started
    answer.set()
    assert took < 30


def ask(client: Client, transaction: Transaction) -> None:
    assert client.post("/predict", json=transaction).status_code == 200
