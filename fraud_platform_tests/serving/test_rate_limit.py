"""How much a key may ask: as a token bucket says, and for all workers together."""

import asyncio
import http.client
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Request, get
from litestar.testing import TestClient
from msgspec.structs import replace

from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.keyed import bearer, id_of, key
from fraud_platform_tests.serving.parts import samples
from fraud_platform_tests.serving.worker import workers
from serving.access import RateLimits
from serving.app import create_app
from serving.buckets import Buckets
from serving.guards import needs
from serving.key_ring import KeyInfo
from serving.service import service_of


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buckets(tmp_path: Path, clock: Clock) -> Iterator[Buckets]:
    made = Buckets(tmp_path / "buckets", 4, clock)
    yield made
    made.close()


@settings(max_examples=200, deadline=None)
@given(
    rate=st.floats(0.1, 1e4),
    burst=st.integers(1, 3_000),
    asked=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 1_000)), max_size=40),
)
def test_it_grants_what_a_token_bucket_does(
    tmp_path_factory: pytest.TempPathFactory,
    rate: float,
    burst: int,
    asked: list[tuple[float, int]],
) -> None:
    clock = Clock()
    buckets = Buckets(tmp_path_factory.mktemp("buckets") / "one", 1, clock)
    tokens = float(burst)
    for after, cost in asked:
        clock.now += after
        tokens = min(burst, tokens + after * rate)
        short = min(cost, burst) - tokens
        spent = buckets.spend(7, cost, rate, burst)
        if abs(short) > 1e-3:  # else rounding decides, and either is right
            assert spent.granted == (short < 0)
        assert spent.wait_s == pytest.approx(0 if spent.granted else short / rate, abs=1e-3)
        tokens -= cost if spent.granted else 0
        assert spent.left == pytest.approx(tokens, abs=1e-2)
    buckets.close()


def test_after_the_told_time_it_is_granted(buckets: Buckets, clock: Clock) -> None:
    assert buckets.spend(1, 100, 20, 100).granted
    refused = buckets.spend(1, 30, 20, 100)
    assert (refused.granted, refused.wait_s) == (False, pytest.approx(1.5))
    clock.now += 1.49
    assert not buckets.spend(1, 30, 20, 100).granted
    clock.now += 0.02
    assert buckets.spend(1, 30, 20, 100).granted


def test_more_than_the_burst_is_had_after_a_rest_and_owed_for(
    buckets: Buckets, clock: Clock
) -> None:
    assert buckets.spend(1, 1, 10, 50).granted
    assert buckets.spend(1, 999, 10, 50, spent=1).granted
    assert not buckets.spend(1, 1, 10, 50).granted
    clock.now += 94.9
    assert not buckets.spend(1, 1, 10, 50).granted
    clock.now += 0.3
    assert buckets.spend(1, 1, 10, 50).granted


def test_a_full_table_forgets_the_bucket_that_has_least_to_remember(
    tmp_path: Path, clock: Clock
) -> None:
    buckets = Buckets(tmp_path / "one-set", 1, clock)
    for bucket in range(1, 9):
        buckets.spend(bucket, bucket, 1, 10)
    buckets.spend(100, 5, 1, 10)

    left = {bucket: buckets.spend(bucket, 1, 1, 10).left for bucket in (8, 7, 2, 100)}
    assert left == {8: 1, 7: 2, 2: 7, 100: 4}
    assert (tmp_path / "one-set").stat().st_size == 128
    buckets.close()


def test_a_batch_pays_for_each_of_its_transactions(tmp_path: Path) -> None:
    @get("/many", middleware=[needs("predict")], sync_to_thread=False)
    def many(request: Request[Any, Any, Any]) -> None:
        size = int(request.query_params["size"])
        service_of(request.app).limits.charge_batch(request, size)

    # So slow that nothing comes back while the test runs.
    app_settings = Settings(
        data_dir=tmp_path, serving=Serving(rate_per_second=0.01, rate_burst=100)
    )
    app = create_app(app_settings)
    app.register(many)
    with TestClient(app) as client:
        assert client.get("/many?size=1000").status_code == 200  # there are no keys yet
        first, second = (key(app_settings), key(app_settings))
        asyncio.run(service_of(app).keys.look())
        sizes = (60, 60, 1, 39, 1)
        answers = [client.get(f"/many?size={n}", headers=bearer(first)) for n in sizes]
        large = [client.get(f"/many?size={n}", headers=bearer(second)) for n in (1_000, 1)]

    # The refused one has paid for itself alone, one transaction, as any request does.
    assert [answer.status_code for answer in answers] == [200, 429, 200, 429, 200]
    left = [answer.headers["ratelimit"] for answer in answers]
    assert [one.partition(";t=")[0] for one in left] == [
        f'"key";r={n}' for n in (40, 39, 38, 37, 36)
    ]
    assert answers[1].headers.get_list("ratelimit-policy") == ['"key";q=100;w=10000']
    assert answers[1].headers["retry-after"] == "2000"
    assert answers[3].headers["retry-after"] == "100"
    assert [answer.status_code for answer in large] == [200, 429]
    assert large[0].headers["ratelimit"].startswith('"key";r=0;t=')
    assert int(large[1].headers["retry-after"]) > 90_000


def test_a_key_over_its_rate_is_told_when_to_come_again(tmp_path: Path) -> None:
    app_settings = Settings(
        data_dir=tmp_path, serving=Serving(rate_per_second=0.5, rate_burst=3, poll_seconds=0.05)
    )
    poor, rich = (
        key(app_settings, "model:read"),
        key(app_settings, "admin", rate=1_000),
    )
    with TestClient(create_app(app_settings)) as client:
        answers = [client.get("/model", headers=bearer(poor)) for _ in range(5)]
        others = {client.get("/model", headers=bearer(rich)).status_code for _ in range(20)}
        client.headers.update(bearer(rich))
        counted = samples(client)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert others == {200}
    assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=6'
    assert answers[0].headers["ratelimit"] == '"key";r=2;t=2'
    refused = answers[3]
    assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
    assert refused.headers.get_list("ratelimit-policy") == ['"key";q=3;w=6']
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert refused.json()["type"] == "urn:predictflow:problem:rate-limited"
    assert "0.5 transactions a second, 3 at once" in refused.json()["detail"]
    assert counted["fraud_requests_refused_total,reason=rate"] == 2


def test_the_rate_holds_across_two_workers(tmp_path: Path) -> None:
    per_second, seconds = 10.0, 1.5
    app_settings = Settings(data_dir=tmp_path / "data")
    keys = [key(app_settings, "model:read"), key(app_settings, "model:read", rate=2 * per_second)]
    granted: dict[tuple[str, int], int] = {}
    refused: set[str] = set()
    serving = {"rate_per_second": per_second, "rate_burst": 10}
    with workers(2, app_settings, tmp_path / "runtime", **serving) as ports:
        start = threading.Barrier(4)

        def ask(sent: str, port: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            start.wait()
            end, found = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                connection.request("GET", "/model", headers=bearer(sent))
                answer = connection.getresponse()
                answer.read()
                assert answer.status in (200, 429)
                if answer.status == 200:
                    found += 1
                else:
                    refused.add(id_of(sent))
            connection.close()
            granted[id_of(sent), port] = found

        threads = [threading.Thread(target=ask, args=(k, p)) for k in keys for p in ports]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun

    assert len(granted) == 4
    for sent, factor in zip(keys, (1, 2), strict=True):
        got = sum(count for (id_, _), count in granted.items() if id_ == id_of(sent))
        assert 10 * factor <= got <= math.ceil((10 + per_second * took) * factor) + 1
    assert refused == {id_of(sent) for sent in keys}  # so each was asked for more


def test_another_rate_holds_for_a_key_at_once(tmp_path: Path, clock: Clock) -> None:
    limits = RateLimits(Buckets(tmp_path / "a", 4, clock), Buckets(tmp_path / "b", 4, clock))
    slow = KeyInfo(id="1", name="", scopes=frozenset(), rate=1, burst=10, bucket=3, policy=b"")
    assert limits.spend(slow, 10).granted
    assert not limits.spend(slow, 1).granted
    assert limits.spend(replace(slow, rate=10, burst=200), 100).granted
    limits.close()
