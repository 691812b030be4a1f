"""What the handlers work with, put together once for each app."""

from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar

from fraud_platform.settings import Settings
from serving.metrics import Metrics
from serving.online_store import OnlineStore
from serving.shadow import ShadowComparison
from serving.watcher import CHAMPION, SHADOW, BundleWatcher


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    runtime: Path
    """What the workers of one service share while it runs."""
    metrics: Metrics
    store: OnlineStore
    champion: BundleWatcher
    shadow: BundleWatcher
    comparison: ShadowComparison


def assemble(settings: Settings, feature_deadline_s: float, runtime: Path) -> Service:
    """The parts for these settings; nothing runs yet."""
    metrics = Metrics()
    bundles, poll_s = settings.bundles_dir, settings.serving.poll_seconds
    shadow = BundleWatcher(bundles, poll_s, SHADOW, metrics.shadow)
    return Service(
        settings=settings,
        runtime=runtime,
        metrics=metrics,
        store=OnlineStore(settings, feature_deadline_s),
        champion=BundleWatcher(bundles, poll_s, CHAMPION, metrics.champion),
        shadow=shadow,
        comparison=ShadowComparison(shadow, metrics.comparison),
    )


def service_of(app: Litestar) -> Service:
    """The service that an app was made with."""
    return app.state["service"]
