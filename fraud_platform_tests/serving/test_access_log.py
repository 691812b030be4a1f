"""The ids of requests and their lines in the log."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

import pytest
from litestar.types import Message, Receive, Scope, Send
from msgspec.structs import replace

from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Client, Deploy, Start, samples
from serving.logs import JsonLines
from serving.online_store import OnlineStore
from serving.request_log import RequestLog


class Lines:
    """Log lines as they are written."""

    def __init__(self, stream: StringIO) -> None:
        self._stream = stream

    def __call__(self, event: str = "request") -> list[dict]:
        """The lines of one event."""
        lines = map(json.loads, self._stream.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]

    def text(self) -> str:
        return self._stream.getvalue()


@pytest.fixture
def logged() -> Iterator[Lines]:
    """What the service logs within the test, in its own format."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("predictflow")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield Lines(stream)
    logger.removeHandler(handler)
    logger.setLevel(before)


def of_all(settings: Settings) -> Settings:
    return replace(settings, serving=replace(settings.serving, access_log="all"))


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_given_request_id_is_returned(client: Client, given: str) -> None:
    answer = client.get("/health/live", headers={"X-Request-Id": given})

    assert answer.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "\u00e9", 'a"b', "a;b", None])
def test_another_one_is_replaced_by_a_new_one(client: Client, given: str | None) -> None:
    headers = {} if given is None else {b"X-Request-Id": given.encode()}
    ids = {client.get("/health/live", headers=headers).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert all(len(one) == 32 and int(one, 16) for one in ids)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/predict", 405), ("POST", "/predict", 400)],
)
def test_what_is_refused_has_an_id_and_a_line(
    client: Client, logged: Lines, method: str, path: str, status: int
) -> None:
    answer = client.request(method, f"{path}?card=secret", headers={"X-Request-Id": "r-1"})

    assert answer.status_code == status
    assert answer.headers["x-request-id"] == "r-1"
    (line,) = logged()
    assert line.pop("latency_ms") > 0
    assert line.pop("time")
    assert line == {
        "level": "info",
        "logger": "predictflow.access",
        "event": "request",
        "method": method,
        "path": path,
        "status": status,
        "bytes": len(answer.content),
        "request_id": "r-1",
    }
    assert "secret" not in logged.text()


def test_what_is_answered_has_a_line_only_where_all_have(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    logged: Lines,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    with start(settings) as client:
        client.post("/predict", json=transaction)
        assert logged() == []
    with start(of_all(settings)) as client:
        answer = client.post("/predict", json=transaction | {"user_id": "secret-user"})

    (line,) = logged()
    assert (line["path"], line["status"]) == ("/predict", 200)
    assert line["bytes"] == len(answer.content)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in logged.text()


def test_a_fault_is_found_in_the_log_by_what_its_answer_says(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    logged: Lines,
    transaction: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("a fault of the service")

    deploy(settings)
    with start(settings) as client:
        monkeypatch.setattr(OnlineStore, "read", fails)
        answer = client.post("/predict", json=transaction, headers={"X-Request-Id": "r-2"})
        monkeypatch.undo()
        counted = samples(client)

    assert answer.status_code == 500
    assert counted["fraud_requests_failed_total,status=500"] == 1
    assert answer.json()["instance"] == "urn:predictflow:request:r-2"
    (fault,) = logged("request_failed")
    assert fault["request_id"] == "r-2"
    assert "a fault of the service" in fault["traceback"]
    assert logged()[0]["status"] == 500


@dataclass
class Key:
    id: str = "k-7"


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"] |= {"user": "user-1", "key": Key()}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"12345", "more_body": False})


async def ask(app: RequestLog) -> None:
    async def receive() -> Message:  # type: ignore[return]
        raise AssertionError("nothing is read")

    async def send(_: Message) -> None: ...

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "state": {}}
    await app(scope, receive, send)  # type: ignore[arg-type]


def test_a_line_names_the_key_and_of_the_user_a_hash(logged: Lines) -> None:
    asyncio.run(ask(RequestLog(answering, everything=True, hashed=lambda user: f"<{user[-1]}>")))

    (line,) = logged()
    assert (line["key_id"], line["user"], line["bytes"]) == ("k-7", "<1>", 5)
    assert "user-1" not in logged.text()


def test_what_ends_without_an_answer_has_a_line(logged: Lines) -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(ask(RequestLog(gone, everything=False)))

    assert [line["status"] for line in logged()] == [None]


def test_ids_and_lines_cost_microseconds(logged: Lines) -> None:
    async def each_us(app: RequestLog) -> float:
        started = time.perf_counter()
        for _ in range(500):
            await ask(app)
        return (time.perf_counter() - started) / 500 * 1e6

    quiet = min(asyncio.run(each_us(RequestLog(answering, everything=False))) for _ in range(5))
    every = min(asyncio.run(each_us(RequestLog(answering, everything=True))) for _ in range(5))

    assert quiet < 50  # 4 measured
    assert every < 200  # 22 measured
