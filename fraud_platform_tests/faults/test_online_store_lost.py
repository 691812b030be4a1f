"""Row 13: an online store that is flushed or away degrades answers, no more."""

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.online.rows import a_state
from fraud_platform_tests.serving.conftest import store_contexts
from fraud_platform_tests.serving.parts import NOW, Deploy
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey
from serving.store_fault import Context

RECENT = VIEWS[0]
Answer = dict[str, Any]
Run = Callable[[Settings], Process]


class Asker:
    """Asks a service about one transaction over a connection that is kept."""

    def __init__(self, process: Process, transaction: dict[str, object]) -> None:
        self._connection = process.connect()
        self._body = json.dumps(transaction)

    def __call__(self) -> tuple[Answer, float]:
        """The answer, and the seconds that it took."""
        started = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/predict", self._body, headers)
        answer: http.client.HTTPResponse = self._connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200
        return body, time.perf_counter() - started

    def until(self, degraded: bool) -> Answer:
        """The first answer that is degraded or is not; a busy machine misses 20 ms now and then."""
        end = time.monotonic() + 20
        while True:
            answer, _ = self()
            if answer["degraded"] == degraded:
                return answer
            assert time.monotonic() < end, answer
            time.sleep(0.02)

    def until_said(self, reason: str) -> Answer:
        """The first answer that is degraded for a reason."""
        end = time.monotonic() + 20
        while reason not in (answer := self()[0])["degraded_reason"]:
            assert time.monotonic() < end, answer
        return answer

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def server(own_valkey: OwnValkeys) -> Valkey:
    return own_valkey(appendonly="yes")


@pytest.fixture
def settings(server: Valkey, tmp_path: Path, contexts: dict[str, Context]) -> Settings:
    settings = replace(server.settings(tmp_path / "data"), serving=Serving(repeat_seconds=0))
    store_contexts(settings, contexts)
    return settings


@pytest.fixture
def asker(run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]) -> Asker:
    """Asks a service of its own process on a store in Valkey."""
    deploy(settings)
    return Asker(run(settings), transaction)


def test_a_flushed_store_degrades_the_answers_until_all_of_it_is_written_again(
    asker: Asker, server: Valkey, settings: Settings, contexts: dict[str, Context]
) -> None:
    before = asker.until(degraded=False)

    server.flush()
    degraded = asker.until(degraded=True)
    assert degraded["degraded_reason"] == "the online store is not there; scored without history"
    # What a stream adds meanwhile doesn't make the store whole.
    with open_store(settings) as store:
        store.write(RECENT, {"user-3": a_state(RECENT)}, NOW, whole=False)
    assert asker.until(degraded=True)["fraud_probability"] == degraded["fraud_probability"]
    assert all(asker()[0]["degraded"] for _ in range(20))

    store_contexts(settings, contexts)
    assert asker.until(degraded=False) == before
    asker.close()


def test_a_store_that_is_killed_and_comes_back_is_read_again(asker: Asker, server: Valkey) -> None:
    before = asker.until(degraded=False)

    server.kill()
    assert "is not there" in asker.until(degraded=True)["degraded_reason"]
    server.start()

    assert asker.until(degraded=False) == before
    asker.close()


def test_a_half_written_row_degrades_its_user_alone(
    asker: Asker, run: Run, settings: Settings, server: Valkey, transaction: dict[str, object]
) -> None:
    torn = Asker(run(settings), transaction | {"user_id": "user-5"})
    before = asker.until(degraded=False)
    with server.client() as client:
        client.execute_command("HDEL", redis_key("user_id", "user-5"), redis_fields(RECENT)[1])

    torn.until_said("the online store cannot be read")

    assert asker.until(degraded=False) == before
    asker.close()
    torn.close()


def test_a_service_started_without_its_store_reads_it_once_it_is_there(
    run: Run,
    settings: Settings,
    deploy: Deploy,
    server: Valkey,
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    server.kill()
    deploy(settings)
    asker = Asker(run(settings), transaction)
    assert "is not there" in asker.until(degraded=True)["degraded_reason"]

    server.start()
    server.flush()
    asker.until_said("the online store is not there")
    store_contexts(settings, contexts)

    asker.until(degraded=False)
    asker.close()


def test_a_service_on_redis_imports_no_more_than_it_needs(
    run: Run, settings: Settings, deploy: Deploy
) -> None:
    deploy(settings)
    process = run(settings)
    assert ", model 1;" in process.ready_line

    status, out = process.stop()

    assert status == 0
    assert "hiredis" in json.loads(out)
    dear = {"dagster", "mlflow", "pandas", "feast", "sklearn", "polars", "duckdb", "pyarrow"}
    assert not (dear | {"redis"}) & set(json.loads(out))
