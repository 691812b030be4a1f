"""`/health/live`, `/health/ready` and `/metrics`."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, route
from prometheus_client import CONTENT_TYPE_LATEST

from serving.breaker import BreakerState
from serving.exposition import exposition
from serving.guards import is_known, needs
from serving.read import READ
from serving.service import Service, service_of


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "live"


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the service can decide, and for who has a key or needs none also with what."""

    ready: bool
    reasons: list[str] | msgspec.UnsetType = msgspec.UNSET
    """What keeps it from deciding, or from deciding with all it should have."""
    model_version: str | msgspec.UnsetType | None = msgspec.UNSET
    partition: str | msgspec.UnsetType | None = msgspec.UNSET
    loaded_at: str | msgspec.UnsetType | None = msgspec.UNSET
    online_store: str | msgspec.UnsetType = msgspec.UNSET
    """`ok`, or what is wrong with it."""
    online_store_breaker: BreakerState | msgspec.UnsetType = msgspec.UNSET
    """`open` while the store is not asked because it did not answer."""
    decision_log: str | msgspec.UnsetType = msgspec.UNSET
    """`ok`, `off`, or what is wrong with it."""


@route("/health/live", http_method=READ, sync_to_thread=False)
def live() -> Live:
    """Answers as long as the process does."""
    return Live()


@route("/health/ready", http_method=READ, summary="Whether a model is in service")
async def ready(request: Request[Any, Any, Any]) -> Response[Ready]:
    """200 with a model in service, else 503; a store that is down degrades answers, no more.

    A decision log that can't be written is 503 too where decisions have to be logged.
    """
    answer = await readiness(service_of(request.app))
    status = HTTPStatus.OK if answer.ready else HTTPStatus.SERVICE_UNAVAILABLE
    if not is_known(request):
        answer = Ready(ready=answer.ready)
    return Response(answer, status_code=status)


async def readiness(service: Service) -> Ready:
    """Whether the service can decide, and with what."""
    model, refusal = service.champion.live, service.champion.refusal
    reading = await service.store.read("", "")
    reasons = (
        []
        if model is not None
        else [f"no model is in service below {service.settings.bundles_dir}"]
    )
    reasons += [f"champion refused: {refusal}"] if refusal is not None else []
    reasons += [service.keys.fault] if service.keys.fault is not None else []
    reasons += [reading.reason] if reading.reason is not None else []
    log = service.decisions.state()
    reasons += [log.reason] if log.reason is not None else []
    decides = model is not None and not log.keeps_from_deciding
    away = service.mirror.fault
    reasons += [f"bundles stay as they are: {away}"] if away is not None else []
    service.metrics.read(reading.state_age_s)
    if service.recording.fault is not None:
        reasons.append("what is scored cannot be recorded just now; the log says why")
    return Ready(
        ready=decides,
        reasons=reasons,
        model_version=None if model is None else model.manifest.model_version,
        partition=None if model is None else model.manifest.partition,
        loaded_at=None if model is None else model.loaded_at.isoformat(),
        online_store=reading.fault or "ok",
        online_store_breaker=service.store.breaker,
        decision_log=log.reason or ("off" if log.mode == "off" else "ok"),
    )


@route(
    "/metrics",
    http_method=READ,
    middleware=[needs("admin")],
    include_in_schema=False,
    sync_to_thread=False,
)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The metrics in Prometheus' text format."""
    return Response(
        exposition(service_of(request.app).metrics.registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )
