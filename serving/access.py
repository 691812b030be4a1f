"""What stands before every request: its key, its rate, and the headers of every answer."""

import base64
import binascii
import logging
import time
from http import HTTPStatus
from math import ceil, inf
from typing import Any, NamedTuple

from litestar import Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fraud_platform.settings import Settings
from serving.buckets import Buckets, Spent
from serving.client_address import client_address, network_of
from serving.key_ring import Fault, KeyInfo, KeyRing
from serving.log_hash import bucket_of
from serving.metrics import AccessMetrics
from serving.problems import ProblemError, send_problem

logger = logging.getLogger("predictflow.serving")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer; a handler that sets one of them itself has its own way."""

PAGE = "/status"
"""What people look at in a browser, which sends a key only as the password of HTTP Basic."""

WRONG_KEYS = 20
"""Wrong keys that an address may send at once, and then one more each WRONG_KEY_S seconds."""
WRONG_KEY_S = 5.0
_SAY_AGAIN_S = 60.0


class Login(NamedTuple):
    """Who asks: the key, or why there is none; neither where the service has no keys."""

    key: KeyInfo | None
    fault: Fault | None


_OPEN = Login(None, None)
_MISSING = Login(None, "missing")


class RateLimits:
    """How much each key, and each address with wrong keys, may still ask; for all workers."""

    def __init__(self, keys: Buckets, addresses: Buckets) -> None:
        self.keys = keys
        self.addresses = addresses

    def spend(self, key: KeyInfo, transactions: int, spent: int = 0) -> Spent:
        """Takes so many transactions from a key's rate, of which it has `spent` some already."""
        return self.keys.spend(key.bucket, transactions, key.rate, key.burst, spent)

    def charge_batch(self, request: Request[Any, Any, Any], transactions: int) -> None:
        """Charges a batch for its transactions, one of which was paid when the request came.

        To be called before the batch is worked on. Raises ProblemError 429 where the key's rate
        has no room for them. One of more than the burst is taken when the key has rested, and then
        owed for.
        """
        state = request.scope["state"]
        key: KeyInfo | None = state["key"]
        if key is None or transactions < 2:
            return
        state["spent"] = spent = self.spend(key, transactions - 1, spent=1)
        if not spent.granted:
            raise too_many(key, spent)

    def wrong_key(self, address: str) -> bool:
        """Counts a wrong key; whether the address may go on."""
        return self.addresses.spend(bucket_of(address), 1, 1 / WRONG_KEY_S, WRONG_KEYS).granted

    def close(self) -> None:
        """Gives the tables back."""
        self.keys.close()
        self.addresses.close()


class Access:
    """ASGI: finds out whose key a request has, holds it to its rate, and heads every answer.

    It sets `login`, `key` and `spent` of the request's state. Which scope a path needs is for its
    guard to say (`guards.needs`), so that what needs none is answered whatever key was sent.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        keys: KeyRing,
        limits: RateLimits,
        metrics: AccessMetrics,
    ) -> None:
        self._app = app
        self._trusted = settings.serving.proxies
        self._keys = keys
        self._limits = limits
        self._metrics = metrics
        self._told: dict[str, float] = {}
        """When a key's limit was last logged, by its id, on the monotonic clock."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or hands on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        login, problem = self._login(scope) if self._keys.required else (_OPEN, None)
        key, state = login.key, scope["state"]
        state["login"], state["key"] = login, key
        if key is not None:
            state["spent"] = spent = self._limits.spend(key, 1)
            if not spent.granted:
                self._tell(key)
                problem = too_many(key, spent)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                names = {name for name, _ in given}
                given += [one for one in SECURITY_HEADERS if one[0] not in names]
                if key is not None and b"ratelimit" not in names:
                    given += _rate_headers(key, state["spent"])
                message["headers"] = given
            await send(message)

        if problem is None:
            await self._app(scope, receive, headed)
        else:
            await send_problem(headed, problem)

    def _login(self, scope: Scope) -> tuple[Login, ProblemError | None]:
        given = _given(scope)
        if given is None:
            return _MISSING, None
        found = self._keys.find(given, time.time())
        if isinstance(found, KeyInfo):
            return Login(found, None), None
        # Only here, not for good keys: whoever shares an address with a guesser goes on paying,
        # and a secret of 256 bits is not guessed at any rate.
        self._metrics.refused(found)
        address = network_of(client_address(scope, self._trusted))
        if not self._limits.wrong_key(address):
            return Login(None, found), ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-wrong-keys",
                "Too many wrong keys came from this address",
                f"Send a key that is taken, or ask again in {WRONG_KEY_S:g} s.",
                headers={"Retry-After": str(ceil(WRONG_KEY_S))},
            )
        logger.warning("wrong_key", extra={"fields": {"reason": found, "client": address}})
        return Login(None, found), None

    def _tell(self, key: KeyInfo) -> None:
        self._metrics.refused("rate")
        now = time.monotonic()
        if now > self._told.get(key.id, -inf) + _SAY_AGAIN_S:
            self._told[key.id] = now
            fields = {"key_id": key.id, "name": key.name, "per_second": key.rate}
            logger.warning("rate_limited", extra={"fields": fields})


def too_many(key: KeyInfo, spent: Spent) -> ProblemError:
    """The problem of a key that asked for more than its rate."""
    wait_s = max(1, ceil(spent.wait_s))
    (_, policy), (_, left) = _rate_headers(key, spent)
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate-limited",
        "The key asks for more than its rate",
        f"This key may ask about {key.rate:g} transactions a second, {key.burst:g} at once; "
        f"ask again in {wait_s} s.",
        headers={
            "Retry-After": str(wait_s),
            "RateLimit-Policy": policy.decode(),
            "RateLimit": left.decode(),
        },
    )


def _rate_headers(key: KeyInfo, spent: Spent) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10: the quota, and what is left of it."""
    full_s = ceil((key.burst - spent.left) / key.rate)
    left = b'"key";r=%d;t=%d' % (max(0, int(spent.left)), full_s)
    return (b"ratelimit-policy", key.policy), (b"ratelimit", left)


def is_page(path: str) -> bool:
    """Whether a browser shows this path for who has an admin key, and so asks for it by itself."""
    return path.rstrip("/") == PAGE


def _given(scope: Scope) -> bytes | None:
    """The key in `X-API-Key` or `Authorization: Bearer`, None where there is neither.

    For the page also the password of `Authorization: Basic`. A browser that sent it there sends it
    along to all other paths, where it is nothing.
    """
    found = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return value
        if name == b"authorization":
            kind, _, key = value.partition(b" ")
            match kind.lower():
                case b"bearer":
                    found = key.strip()
                case b"basic":
                    found = _password(key) if is_page(scope["path"]) else None
                case _:
                    found = b""
    return found


def _password(credentials: bytes) -> bytes:
    """The password of a user's name and password (RFC 7617); empty where they are none."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
