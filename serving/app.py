"""The Litestar application of the prediction service."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from fraud_platform.settings import Settings
from serving.access import Access
from serving.batch import predict_batch
from serving.exposition import MEASURE_S
from serving.health import live, metrics, ready
from serving.models import models
from serving.openapi.page import HANDLERS as PAGES
from serving.predict import predict
from serving.problems import BODY_LIMIT, ProblemError, on_fault, on_http_exception, on_problem
from serving.request_log import RequestLog
from serving.service import Service, assemble, service_of
from serving.status_page.handler import status


def create_app(
    settings: Settings,
    feature_deadline_s: float = 0.020,
    runtime: Path | None = None,
    worker: int | None = None,
) -> Litestar:
    """The service on the bundles and the online store of these settings.

    `feature_deadline_s` is how long a request waits for the online store, in seconds, before it is
    scored without. `runtime` is the directory that the workers of one service share while it runs;
    without it the app is alone and has one of its own. `worker` is its number among them. Raises
    PredictFlowError where the installed Feast is not the expected one, or the keys can't be read.
    """
    shared = runtime or Path(tempfile.mkdtemp(prefix="predictflow-"))
    service = assemble(settings, feature_deadline_s, shared, worker)
    app = Litestar(
        route_handlers=[predict, predict_batch, live, ready, models, metrics, status, *PAGES],
        state=State({"service": service}, deep_copy=False),
        lifespan=[_running(own=shared if runtime is None else None)],
        exception_handlers={
            ProblemError: on_problem,
            HTTPException: on_http_exception,
            Exception: on_fault,
        },
        request_max_body_size=BODY_LIMIT,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    # Around the router, not in its middleware, which a path that is not there never reaches; the
    # log around all else, so that what is refused there has an id and a line too.
    access = Access(
        app.asgi_handler, settings, service.keys, service.limits, service.metrics.access
    )
    app.asgi_handler = RequestLog(
        access,
        everything=settings.serving.access_log == "all",
        hashed=service.log_hash.hashed,
        span=service.traces.request,
        failed=service.metrics.access.failed,
    )
    return app


async def _measure(service: Service) -> None:
    while True:
        service.metrics.worker.measure()
        service.minutes.add()
        await asyncio.sleep(MEASURE_S)


def _running(own: Path | None) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """The life of an app; `own` is its runtime directory where nobody shares it."""

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        service = service_of(app)
        service.datadog.start()
        service.decisions.start()
        await service.champion.look()
        service.champion.start()
        service.mirror.start()  # after the look: what is here already answers first
        service.shadow.start()  # unseen by the requests, so none of them waits for it
        service.keys.start()
        service.recording.start()
        service.log_hash.say()
        service.store.start()
        await service.store.read("", "")  # so that the first request finds it open
        measuring = asyncio.create_task(_measure(service), name="measure")
        try:
            yield
        finally:
            service.mirror.stop()
            measuring.cancel()
            service.minutes.add()
            service.minutes.close()
            service.figures.close()
            await service.champion.stop()
            await service.shadow.stop()
            await service.keys.stop()
            service.comparison.close()
            service.decisions.close()
            service.limits.close()
            service.recording.close()
            await service.store.close()
            if service.repeats is not None:
                service.repeats.close()
            await service.traces.close()
            service.datadog.close()  # last: with what the others counted while they ended
            if own is not None:
                shutil.rmtree(own)

    return running
