"""What the handlers work with, put together once for each app."""

from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar

from fraud_platform.errors import PredictFlowError
from fraud_platform.let_pass import LetPass
from fraud_platform.settings import Serving, Settings
from serving.access import RateLimits
from serving.buckets import Buckets
from serving.datadog import DatadogReport
from serving.decision_log import DecisionLog
from serving.key_ring import KeyRing
from serving.log_hash import LogHash
from serving.metrics import Metrics
from serving.minutes import Minutes
from serving.mirror import BundleMirror
from serving.online_store import OnlineStore
from serving.recording import Recording
from serving.repeats import Repeats
from serving.shadow import ShadowComparison
from serving.status_page.figures_file import FiguresFile
from serving.traces import Traces
from serving.watcher import CHAMPION, SHADOW, BundleWatcher


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    runtime: Path
    """What the workers of one service share while it runs."""
    metrics: Metrics
    minutes: Minutes
    store: OnlineStore
    mirror: BundleMirror
    champion: BundleWatcher
    shadow: BundleWatcher
    comparison: ShadowComparison
    repeats: Repeats | None
    """Answers given lately; None where a request that comes again is judged anew."""
    let_pass: LetPass
    decisions: DecisionLog
    keys: KeyRing
    limits: RateLimits
    log_hash: LogHash
    recording: Recording
    traces: Traces
    datadog: DatadogReport
    figures: FiguresFile
    """The platform's, as Dagster's daemon gathers them."""


def assemble(
    settings: Settings, feature_deadline_s: float, runtime: Path, worker: int | None = None
) -> Service:
    """The parts for these settings, of the worker of that number; nothing runs yet."""
    metrics = Metrics()
    said = settings.serving
    bundles, poll_s = settings.bundles_dir, said.poll_seconds
    shadow = BundleWatcher(bundles, poll_s, SHADOW, metrics.shadow)
    return Service(
        settings=settings,
        runtime=runtime,
        metrics=metrics,
        minutes=Minutes(runtime / "minutes", metrics.counted),
        store=OnlineStore(
            settings, feature_deadline_s, said.batch_deadline_ms / 1000, metrics.store
        ),
        champion=BundleWatcher(bundles, poll_s, CHAMPION, metrics.champion),
        shadow=shadow,
        comparison=ShadowComparison(shadow, metrics.comparison),
        repeats=Repeats(
            runtime / "repeats", said.repeat_seconds, said.repeat_slots, metrics.repeats
        )
        if said.repeat_seconds
        else None,
        let_pass=_let_pass(said),
        decisions=DecisionLog(settings, metrics.decisions),
        keys=KeyRing(settings, runtime),
        limits=RateLimits(Buckets(runtime / "rates", 512), Buckets(runtime / "wrong_keys", 512)),
        log_hash=LogHash(settings, runtime),
        mirror=BundleMirror(settings, runtime, metrics.mirror),
        recording=Recording(settings, metrics.recording),
        traces=Traces(settings.serving.traces_endpoint),
        datadog=DatadogReport(settings.datadog, metrics, worker),
        figures=FiguresFile(settings.figures_file),
    )


def _let_pass(said: Serving) -> LetPass:
    # Only here: who trains reads the share too, and has no use for the key.
    if said.pass_share and not said.pass_key:
        raise PredictFlowError(
            f"setting serving.pass_share is {said.pass_share:g}, but no key draws who passes: "
            "set PREDICTFLOW_SERVING_PASS_KEY, as of `openssl rand -hex 32`, the same on all "
            "machines and at each start, or set serving.pass_share to 0"
        )
    return LetPass(said.pass_share, said.pass_limit_cents, said.pass_key.reveal().encode())


def service_of(app: Litestar) -> Service:
    """The service that an app was made with."""
    return app.state["service"]
