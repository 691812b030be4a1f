"""`/status`."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from litestar import Request, Response, route

from serving.access import PAGE
from serving.breathing import Breathing
from serving.guards import needs
from serving.health import readiness
from serving.problems import ProblemError
from serving.read import READ
from serving.service import service_of
from serving.status_page.page import page
from serving.status_page.style import POLICY
from serving.status_page.view import View

_FEWEST, _MOST = 5, 3600


@route(PAGE, http_method=READ, middleware=[needs("admin")], include_in_schema=False)
async def status(request: Request[Any, Any, Any]) -> Response[str]:
    """The page; with `refresh` the browser asks for it again after so many seconds."""
    refresh = _refresh(request)
    service = service_of(request.app)
    service.minutes.add()
    found = await service.figures.read()
    live = service.champion.live
    view = View(
        now=datetime.now(UTC),
        ready=await readiness(service),
        promoted_at=(live.promoted_at or "") if live else "",
        minutes=service.minutes.read(),
        figures=found.figures,
        fault=found.fault,
        drift=service.settings.drift,
        run_url=service.settings.dagster_url,
        refresh=refresh,
    )
    parts, breathe = [], Breathing()
    for part in page(view):
        parts.append(part)
        await breathe()
    headers = {"Content-Security-Policy": POLICY}
    if refresh is not None:
        headers["Refresh"] = str(refresh)
    return Response("".join(parts), media_type="text/html", headers=headers)


def _refresh(request: Request[Any, Any, Any]) -> int | None:
    given = request.query_params.get("refresh")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and _FEWEST <= int(given[:9]) <= _MOST):
        rule = f"one whole number of seconds from {_FEWEST} to {_MOST:,}"
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "invalid-parameter",
            "A parameter of the query is not what it may be",
            f"The query's refresh is not {rule}",
            field="refresh",
            value=given,
            expectation=rule,
        )
    return int(given)
