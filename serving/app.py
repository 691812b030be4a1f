"""The Litestar application of the prediction service."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from fraud_platform.settings import Settings
from serving.health import live, metrics, ready
from serving.models import models
from serving.openapi import OPENAPI
from serving.predict import predict
from serving.problems import BODY_LIMIT, ProblemError, on_fault, on_http_exception, on_problem
from serving.service import assemble, service_of


def create_app(
    settings: Settings, feature_deadline_s: float = 0.020, runtime: Path | None = None
) -> Litestar:
    """The service on the bundles and the online store of these settings.

    `feature_deadline_s` is how long a request waits for the online store, in seconds, before it is
    scored without. `runtime` is the directory that the workers of one service share while it runs;
    without it the app is alone and has one of its own. Raises PredictFlowError where the installed
    Feast is not the expected one.
    """
    shared = runtime or Path(tempfile.mkdtemp(prefix="predictflow-"))
    return Litestar(
        route_handlers=[predict, live, ready, models, metrics],
        state=State({"service": assemble(settings, feature_deadline_s, shared)}, deep_copy=False),
        lifespan=[_running(own=shared if runtime is None else None)],
        exception_handlers={
            ProblemError: on_problem,
            HTTPException: on_http_exception,
            Exception: on_fault,
        },
        request_max_body_size=BODY_LIMIT,
        openapi_config=OPENAPI,
        logging_config=None,
        debug=False,
    )


def _running(own: Path | None) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """The life of an app; `own` is its runtime directory where nobody shares it."""

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        service = service_of(app)
        await service.champion.look()
        service.champion.start()
        service.shadow.start()  # unseen by the requests, so none of them waits for it
        await service.store.read("", "")  # so that the first request finds it open
        try:
            yield
        finally:
            await service.champion.stop()
            await service.shadow.stop()
            service.comparison.close()
            await service.store.close()
            if own is not None:
                shutil.rmtree(own)

    return running
