"""What the handlers work with, put together once for each app."""

from dataclasses import dataclass

from litestar import Litestar

from fraud_platform.settings import Settings
from serving.metrics import Metrics
from serving.online_store import OnlineStore
from serving.watcher import ChampionWatcher


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    metrics: Metrics
    store: OnlineStore
    champion: ChampionWatcher


def assemble(settings: Settings, feature_deadline_s: float) -> Service:
    """The parts for these settings; nothing runs yet."""
    metrics = Metrics()
    return Service(
        settings=settings,
        metrics=metrics,
        store=OnlineStore(settings, feature_deadline_s),
        champion=ChampionWatcher(settings.bundles_dir, settings.serving.poll_seconds, metrics),
    )


def service_of(app: Litestar) -> Service:
    """The service that an app was made with."""
    return app.state["service"]
