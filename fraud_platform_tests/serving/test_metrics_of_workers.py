"""`/metrics` of a service with several workers: whichever is asked answers for all."""

import http.client
import json
import os
import signal
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.process import Process

COUNTED = "fraud_prediction_latency_seconds_count"
UP = "fraud_worker_up"


@pytest.fixture
def process(run: Callable[[Settings], Process], settings: Settings, deploy: Deploy) -> Process:
    """A service of two workers."""
    deploy(settings)
    return run(replace(settings, serving=replace(settings.serving, workers=2)))


def samples(process: Process) -> dict[str, float]:
    """Prometheus' samples by name and labels, from whichever worker takes the connection."""
    connection = process.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def decide(process: Process, transaction: dict[str, object], times: int) -> None:
    """Asks for decisions, each over a connection of its own, eight of them at once."""
    for begin in range(0, times, 8):
        connections = [process.connect() for _ in range(begin, min(times, begin + 8))]
        for number, connection in enumerate(connections):
            body = json.dumps(transaction | {"transaction_id": f"t-{begin}-{number}"})
            connection.request("POST", "/predict", body)
        for connection in connections:
            answer: http.client.HTTPResponse = connection.getresponse()
            assert answer.status == 200
            connection.close()


def workers_in(found: dict[str, float], name: str = UP) -> set[str]:
    return {key.removeprefix(f"{name},worker=") for key in found if key.startswith(f"{name},")}


def test_the_figures_of_all_workers_are_added_up(
    process: Process, transaction: dict[str, object]
) -> None:
    decide(process, transaction, 40)

    for found in [samples(process) for _ in range(10)]:  # now of the one, now of the other
        assert found[COUNTED] == 40
        assert found["fraud_prediction_latency_seconds_bucket,le=+Inf"] == 40
        decided = [v for k, v in found.items() if k.startswith("fraud_predictions_total")]
        assert sum(decided) == 40
        assert workers_in(found) == {"1", "2"}
        for worker in ("1", "2"):
            assert 50e6 < found[f"fraud_worker_memory_bytes,worker={worker}"] < 400 * 2**20


def test_what_a_killed_worker_counted_stays_and_what_it_measured_goes(
    process: Process, transaction: dict[str, object]
) -> None:
    decide(process, transaction, 40)
    first, second = process.workers
    os.kill(first, signal.SIGSTOP)
    os.kill(second, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)  # while the other stands still, none is started in its place
    os.kill(second, signal.SIGKILL)

    assert eventually(
        lambda: len(process.workers) == 2 and {first, second}.isdisjoint(process.workers)
    )
    assert eventually(lambda: workers_in(samples(process)) == {"1", "2"})
    decide(process, transaction, 2)
    assert samples(process)[COUNTED] == 42


def test_a_worker_that_is_not_replaced_yet_is_not_up(process: Process) -> None:
    os.kill(process.popen.pid, signal.SIGSTOP)  # so that nobody is started in its place
    try:
        os.kill(process.workers[0], signal.SIGKILL)
        assert workers_in(samples(process)) == {"1", "2"}
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)
    assert eventually(lambda: len(workers_in(samples(process))) == 1, 3.0)
    assert eventually(lambda: workers_in(samples(process)) == {"1", "2"})


def test_a_model_that_is_in_service_no_more_is_not_shown(
    process: Process, settings: Settings, deploy: Deploy
) -> None:
    def shown() -> dict[str, float]:
        return {k: v for k, v in samples(process).items() if k.startswith("fraud_model_info")}

    (first,) = shown()
    assert "model_version=1" in first
    deploy(settings, "2")

    second = first.replace("version=1", "version=2")
    assert eventually(lambda: shown() == {second: 1})
    assert samples(process)["fraud_model_loaded_timestamp_seconds"] > 1.7e9
    deploy(settings, "1")
    assert eventually(lambda: shown() == {first: 1})
