"""`/health/live`, `/health/ready` and `/metrics`."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.service import service_of


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "live"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service can decide, and with what."""

    ready: bool
    reasons: list[str]
    """What keeps it from deciding, or from deciding with all it should have."""
    model_version: str | None
    partition: str | None
    loaded_at: str | None
    online_store: str
    """`ok`, or what is wrong with it."""


@get("/health/live", sync_to_thread=False)
def live() -> Live:
    """Answers as long as the process does."""
    return Live()


@get("/health/ready", summary="Whether a model is in service")
async def ready(request: Request[Any, Any, Any]) -> Response[Ready]:
    """200 with a model in service, else 503; a store that is down degrades answers, no more."""
    service = service_of(request.app)
    model, refusal = service.champion.live, service.champion.refusal
    reading = await service.store.read("", "")
    reasons = (
        []
        if model is not None
        else [f"no model is in service below {service.settings.bundles_dir}"]
    )
    reasons += [f"champion refused: {refusal}"] if refusal is not None else []
    reasons += [reading.reason] if reading.reason is not None else []
    answer = Ready(
        ready=model is not None,
        reasons=reasons,
        model_version=None if model is None else model.manifest.model_version,
        partition=None if model is None else model.manifest.partition,
        loaded_at=None if model is None else model.loaded_at.isoformat(),
        online_store=reading.fault or "ok",
    )
    status = HTTPStatus.OK if model is not None else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(answer, status_code=status)


@get("/metrics", include_in_schema=False, sync_to_thread=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The metrics in Prometheus' text format."""
    return Response(
        generate_latest(service_of(request.app).metrics.registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )
