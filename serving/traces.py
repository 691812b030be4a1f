"""OpenTelemetry's traces of requests, where they are wished; else nothing of it is imported.

The SDK reads its own variables beside the setting: OTEL_TRACES_SAMPLER for a share of the requests,
OTEL_EXPORTER_OTLP_HEADERS for a collector that asks who sends, OTEL_RESOURCE_ATTRIBUTES.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar.types import HTTPScope

from fraud_platform.errors import PredictFlowError
from serving.request_log import Span

if TYPE_CHECKING:
    from opentelemetry import trace

FLUSH_S = 2.0
"""How long the last spans have to be sent when the service ends."""

_NO_SPAN: AbstractContextManager[None] = nullcontext()
_HEADERS = {b"traceparent": "traceparent", b"tracestate": "tracestate"}


class Traces:
    """The spans of a service, sent to `endpoint` by a thread of its own; none where it is empty.

    No request waits for the sending: what the queue has no room for is dropped. Raises
    PredictFlowError where the extra `traces` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        self._sdk = _sdk(endpoint) if endpoint else None

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span below the request's."""
        return _NO_SPAN if self._sdk is None else self._sdk.tracer.start_as_current_span(name)

    @property
    def request(self) -> Callable[[HTTPScope], AbstractContextManager[Span]] | None:
        """What opens a request's span, below the caller's where it says one (W3C traceparent)."""
        return None if self._sdk is None else self._sdk.request

    async def close(self) -> None:
        """Sends the last spans, if that can be done in FLUSH_S."""
        if self._sdk is None:
            return
        # A daemon: an exporter that hangs must not keep the process.
        ending = threading.Thread(target=self._sdk.end, daemon=True)
        ending.start()
        deadline = time.monotonic() + FLUSH_S
        while ending.is_alive() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if ending.is_alive():
            self._sdk.give_up()


@dataclass(frozen=True)
class _Sdk:
    tracer: "trace.Tracer"
    parent_of: Callable[[dict[str, str]], Any]
    end: Callable[[], None]
    give_up: Callable[[], None]

    @contextmanager
    def request(self, scope: HTTPScope) -> Iterator[Span]:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - of the extra

        said = {_HEADERS[k]: v.decode("latin-1") for k, v in scope["headers"] if k in _HEADERS}
        with self.tracer.start_as_current_span(
            scope["method"],
            context=self.parent_of(said),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]},
            record_exception=False,  # its text may hold what the request said
        ) as span:
            yield _RequestSpan(span)


@dataclass(frozen=True)
class _RequestSpan:
    span: "trace.Span"

    def answered(self, scope: HTTPScope, status: int | None) -> None:
        """Names the span by its route, never by the path, which anyone can fill."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - of the extra

        route = scope.get("path_template")
        if route:
            self.span.update_name(f"{scope['method']} {route}")
            self.span.set_attribute("http.route", route)
        self.span.set_attribute("predictflow.request_id", scope["state"]["request_id"])
        if status is not None:
            self.span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            self.span.set_status(StatusCode.ERROR)


def _sdk(endpoint: str) -> _Sdk:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )
    except ImportError as error:
        raise PredictFlowError(
            f"setting serving.traces_endpoint: {endpoint!r} needs what is not installed "
            f"({error.name}); pip install 'predictflow[traces]', or leave the setting empty"
        ) from error
    exporter = OTLPSpanExporter(endpoint=_traces_url(endpoint))
    resource = Resource.create({"service.name": "predictflow-serving"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return _Sdk(
        tracer=provider.get_tracer("predictflow.serving"),
        parent_of=TraceContextTextMapPropagator().extract,
        end=provider.shutdown,
        give_up=exporter.shutdown,
    )


def _traces_url(endpoint: str) -> str:
    """The endpoint with OTLP's path, where it has none."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PredictFlowError(
            f"setting serving.traces_endpoint: {endpoint!r} is no URL; expected that of an "
            "OTLP collector over HTTP, such as http://127.0.0.1:4318"
        )
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"
