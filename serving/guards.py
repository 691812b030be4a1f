"""Which scope a path needs.

They stand in a handler's `middleware`, not in its `guards`: Litestar copies the handler for each
call of a guard, which takes longer (16 us) than finding the key and holding it to its rate.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from fraud_platform import keys
from serving.access import Login, is_page
from serving.key_ring import Fault
from serving.problems import ProblemError
from serving.service import service_of

_REALM = 'Bearer realm="predictflow"'
_FOR_BROWSERS = 'Basic realm="predictflow", charset="UTF-8"'
_DETAILS: dict[Fault, str] = {
    "missing": "Send an API key in the header Authorization: Bearer KEY, or X-API-Key: KEY",
    "unknown": "The key that was sent is not known",
    "expired": "The key that was sent has expired, or was rotated out",
    "revoked": "The key that was sent was revoked",
}


def needs(needed: keys.Scope) -> Callable[[ASGIApp], ASGIApp]:
    """Lets requests pass whose key has this scope, or admin; all while the service has no keys.

    Raises ProblemError 401 without a key that is taken and 403 for one without the scope. What
    needs `admin` is found on the admin port alone where there is one.
    """

    def around(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            _check(scope, needed)
            await app(scope, receive, send)

        return guarded

    return around


def _check(scope: Scope, needed: keys.Scope) -> None:
    service = service_of(scope["litestar_app"])
    admin_port = service.settings.serving.admin_port
    if needed == "admin" and admin_port is not None:
        server = scope["server"]
        if server is None or server[1] != admin_port:
            raise NotFoundException
    login: Login = scope["state"]["login"]
    if login.key is not None:
        if needed not in login.key.scopes and "admin" not in login.key.scopes:
            service.metrics.access.refused("scope")
            raise _forbidden(needed)
    elif login.fault is not None:
        if login.fault == "missing":
            service.metrics.access.refused("missing")
        raise _unauthorized(login.fault, by_browser=is_page(scope["path"]))


def is_known(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a request may see the inside: it has a key, or none is needed."""
    login: Login = connection.scope["state"]["login"]
    return login.fault is None


def _unauthorized(fault: Fault, *, by_browser: bool) -> ProblemError:
    said = _REALM if fault == "missing" else f'{_REALM}, error="invalid_token"'
    if by_browser:
        said = f"{_FOR_BROWSERS}, {said}"  # first, as browsers look no further
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "no-valid-key",
        "The request has no valid API key",
        _DETAILS[fault],
        headers={"WWW-Authenticate": said},
    )


def _forbidden(needed: keys.Scope) -> ProblemError:
    return ProblemError(
        HTTPStatus.FORBIDDEN,
        "scope-missing",
        "The key may not do this",
        f"It needs the scope {needed}; make a key with it, as a key's scopes don't change",
        headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{needed}"'},
    )
