"""Traces of requests, sent to a collector of the test's own that reads OTLP's protobuf."""

import gzip
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Deploy, Start
from serving.app import create_app

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """An OTLP collector over HTTP: keeps the spans that it is sent, by name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: dict[str, Span] = {}
        self.services: set[str] = set()
        self.raw = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        collector = self.server
        assert isinstance(collector, Collector)
        assert self.path == "/v1/traces"
        collector.raw += body
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {one.key: one.value.string_value for one in of_resource.resource.attributes}
            collector.services.add(said["service.name"])
            for of_scope in of_resource.scope_spans:
                collector.spans |= {span.name: span for span in of_scope.spans}
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def traced(settings: Settings, endpoint: str) -> Settings:
    return replace(settings, serving=replace(settings.serving, traces_endpoint=endpoint))


def attributes(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_request_is_a_span_of_the_callers_trace_with_the_reading_and_the_scoring_below(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    collector: Collector,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    with start(traced(settings, collector.url)) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "r-9"}
        secret = transaction | {"user_id": "secret-user"}
        assert client.post("/predict?reasons=1", json=secret, headers=headers).status_code == 200

    request = collector.spans["POST /predict"]
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    assert request.kind == Span.SPAN_KIND_SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "predictflow.request_id": "r-9",
    }
    for name in ("read the online state", "score"):
        span = collector.spans[name]
        assert span.trace_id == request.trace_id
        assert span.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano
    assert collector.services == {"predictflow-serving"}
    assert b"secret" not in collector.raw


def test_a_request_without_a_trace_begins_one_and_an_unknown_path_names_none(
    settings: Settings, start: Start, collector: Collector
) -> None:
    with start(traced(settings, f"{collector.url}/v1/traces")) as client:
        client.get("/health/live", headers={"traceparent": "00-nonsense"})
        client.get("/secret")
        client.post("/predict", json={"transaction_id": "t"})

    assert collector.spans.keys() == {"GET /health/live", "GET", "POST /predict"}
    live = collector.spans["GET /health/live"]
    assert live.parent_span_id == b""
    assert any(live.trace_id)
    assert attributes(collector.spans["GET"])["http.response.status_code"] == 404
    assert live.status.code == Status.STATUS_CODE_UNSET
    assert b"secret" not in collector.raw


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "it never answers"])
def test_a_collector_that_is_away_holds_up_no_request_and_not_the_end(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    listens: bool,
) -> None:
    deploy(settings)
    with socket.create_server(("127.0.0.1", 0)) as there:
        endpoint = f"http://127.0.0.1:{there.getsockname()[1]}"
        if not listens:
            there.close()
        with start(traced(settings, endpoint)) as client:
            client.post("/predict", json=transaction)
            time.sleep(1.2)  # the first spans are being sent now
            slowest = 0.0
            for _ in range(20):
                began = time.monotonic()
                assert client.post("/predict", json=transaction).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
            ended = time.monotonic()
        assert time.monotonic() - ended < 6
    assert slowest < 1.0  # a sending has 10 s, and is tried again


def test_without_the_extra_the_error_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(PredictFlowError, match=r"traces_endpoint: .*pip install 'predictflow\["):
        create_app(traced(settings, "http://127.0.0.1:4318"))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://"])
def test_an_endpoint_that_is_no_url_is_named(settings: Settings, endpoint: str) -> None:
    with pytest.raises(PredictFlowError, match=r"setting serving.traces_endpoint: .* is no URL"):
        create_app(traced(settings, endpoint))
