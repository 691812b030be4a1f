"""`/model`: the model that answers, and the one in its shadow."""

from typing import Any

import msgspec
from litestar import Request, route

from serving.guards import needs
from serving.read import READ
from serving.service import service_of
from serving.watcher import BundleWatcher


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle in service says of itself."""

    model_name: str
    model_version: str
    partition: str
    threshold: float
    training_window: tuple[str, str]
    features: list[str]
    metrics: dict[str, float]
    created_at: str
    run_id: str
    sha256: dict[str, str]
    promoted_at: str | None
    """When it was made the live one, by the log of promotions; null for one in the shadow."""
    loaded_at: str
    """Since when it answers here."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A model in service, if there is one, and why the bundle of the moment is not."""

    model: ServedModel | None
    refusal: str | None


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The champion answers; the shadow scores each request too, and answers nobody."""

    champion: Place
    shadow: Place


@route(
    "/model",
    http_method=READ,
    middleware=[needs("model:read")],
    summary="Which models are in service",
    sync_to_thread=False,
)
def models(request: Request[Any, Any, Any]) -> Models:
    """The model that answers, and the one in its shadow."""
    service = service_of(request.app)
    return Models(champion=_place(service.champion), shadow=_place(service.shadow))


def _place(watcher: BundleWatcher) -> Place:
    live = watcher.live
    if live is None:
        return Place(model=None, refusal=watcher.refusal)
    fields = {*ServedModel.__struct_fields__} - {"promoted_at", "loaded_at"}
    said = {name: getattr(live.manifest, name) for name in fields}
    since = {"promoted_at": live.promoted_at, "loaded_at": live.loaded_at.isoformat()}
    model = ServedModel(**said, **since)
    return Place(model=model, refusal=watcher.refusal)
