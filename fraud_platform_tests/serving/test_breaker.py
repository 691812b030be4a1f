"""A store that doesn't answer is soon not asked any more, and asked again once it answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.conftest import store_contexts
from fraud_platform_tests.serving.parts import Client, Deploy, Start, eventually, samples
from fraud_platform_tests.serving.test_online_store import RECENT, with_store
from fraud_platform_tests.valkey_server import OwnValkeys, Valkey
from serving.breaker import FAULTS, Breaker, BreakerState
from serving.online_store import OnlineStore
from serving.store_fault import Context


def run_breaker(
    use: Callable[[Breaker, list[BreakerState], list[bool]], Awaitable[None]],
) -> list[BreakerState]:
    """Runs a breaker whose trials have the answers of a list; returns its changes."""
    changes: list[BreakerState] = []
    answers: list[bool] = []

    async def run() -> None:
        async def trial() -> bool:
            return answers.pop(0) if answers else False

        breaker = Breaker(trial, changes.append)
        await use(breaker, changes, answers)
        await breaker.close()

    asyncio.run(run())
    return changes


def test_it_opens_after_faults_in_a_row_only() -> None:
    async def use(breaker: Breaker, changes: list[BreakerState], answers: list[bool]) -> None:
        for _ in range(3):
            for _ in range(FAULTS - 1):
                breaker.failed()
            breaker.answered()
        assert breaker.state == "closed"
        for _ in range(FAULTS):
            breaker.failed()
        assert breaker.state == "open"
        breaker.failed()

    assert run_breaker(use) == ["open"]


def test_a_trial_that_is_answered_closes_it_and_the_count_begins_anew() -> None:
    async def use(breaker: Breaker, changes: list[BreakerState], answers: list[bool]) -> None:
        answers += [False, True]
        for _ in range(FAULTS):
            breaker.failed()
        while breaker.state == "open":
            await asyncio.sleep(0.01)
        for _ in range(FAULTS - 1):
            breaker.failed()

    assert run_breaker(use) == ["open", "closed"]


def test_a_hung_store_costs_nobody_its_deadline_after_the_first_few(
    own_valkey: OwnValkeys, settings: Settings
) -> None:
    server = own_valkey()

    async def read(store: OnlineStore) -> tuple[list[str | None], float]:
        await store.read("u", "m")
        server.hang()
        faults = [(await store.read("u", "m")).fault for _ in range(FAULTS)]
        started = time.perf_counter()
        faults += [(await store.read("u", "m")).fault for _ in range(100)]
        took = time.perf_counter() - started
        server.go_on()
        while store.breaker == "open":
            await asyncio.sleep(0.01)
        faults.append((await store.read("u", "m")).fault)
        return faults, took

    faults, took = with_store(server.settings(settings.data_dir), read, deadline_s=0.05)

    assert faults == ["late"] * FAULTS + ["open"] * 100 + ["missing"]
    assert took < 0.5


def test_rows_that_cannot_be_read_do_not_open_it(in_redis: Settings, valkey: Valkey) -> None:
    with valkey.client() as client:
        client.execute_command("HDEL", redis_key("user_id", "user-3"), redis_fields(RECENT)[0])

    async def read(store: OnlineStore) -> list[str | None]:
        torn = [(await store.read("user-3", "merchant-3")).fault for _ in range(3 * FAULTS)]
        valkey.flush()
        gone = [(await store.read("user-4", "merchant-4")).fault for _ in range(3 * FAULTS)]
        assert store.breaker == "closed"
        return torn + gone

    faults = with_store(in_redis, read)

    assert faults == ["unreadable"] * 3 * FAULTS + ["missing"] * 3 * FAULTS


def test_readiness_metrics_and_log_tell_of_it(
    own_valkey: OwnValkeys,
    settings: Settings,
    contexts: dict[str, Context],
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "predictflow.serving")
    server = own_valkey()
    settings = replace(settings, online=server.online())
    deploy(settings)
    store_contexts(settings, contexts)
    with start(settings, 0.1) as client:

        def ready() -> dict:
            return client.get("/health/ready").json()

        assert ready()["online_store_breaker"] == "closed"
        server.hang()
        assert eventually(lambda: "not asked just now" in reason(client, transaction))
        said = ready()
        assert (said["ready"], said["online_store_breaker"]) == (True, "open")
        assert said["online_store"] == "open"
        assert samples(client)["fraud_online_store_breaker_open"] == 1
        server.go_on()
        assert eventually(lambda: ready()["online_store"] == "ok")
        assert reason(client, transaction) == ""
        found = samples(client)

    assert found["fraud_online_store_breaker_open"] == 0
    assert found["fraud_online_store_breaker_changes_total,to=open"] == 1
    assert found["fraud_online_store_breaker_changes_total,to=closed"] == 1
    states = [
        record.__dict__["fields"]["state"]
        for record in caplog.records
        if record.message == "online_store_breaker"
    ]
    assert states == ["open", "closed"]


def reason(client: Client, transaction: dict[str, object]) -> str:
    """Why an answer is degraded; nothing where it is not."""
    return client.post("/predict", json=transaction).json()["degraded_reason"] or ""
