"""Requests' states from Redis or Valkey: one round trip on one of a few connections."""

import asyncio
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fraud_platform.features.state import VIEWS
from fraud_platform.online.address import redis_address
from fraud_platform.online.feast_format import redis_fields, redis_key, value_decoder
from fraud_platform.online.redis_store import MARKERS
from fraud_platform.online.rows import decoded_states
from fraud_platform.online.store import by_entity
from fraud_platform.settings import Online
from serving.off_loop import BusyError
from serving.store_fault import Context, FaultKind, StoreFaultError

CONNECTIONS = 16
"""At most; a request that finds none free waits for one, up to its deadline."""

_WAITING = 256
"""Requests that may be under way; with more, the next ones are not worth the wait."""

_USERS, _MERCHANTS = by_entity(VIEWS)
_VIEWS = (*_USERS, *_MERCHANTS)
_USER_FIELDS = [field for view in _USERS for field in redis_fields(view)]
_MERCHANT_FIELDS = [field for view in _MERCHANTS for field in redis_fields(view)]
_NAMES = [view.name for view in VIEWS]


class RedisReader:
    """The `Reader` of a Redis server, with a deadline in seconds for each reading."""

    def __init__(self, online: Online, deadline_s: float) -> None:
        self.where = redis_address(online)
        self._deadline_s = deadline_s
        self._decode = value_decoder()
        self._under_way = 0
        pool = BlockingConnectionPool.from_url(
            online.redis_url.reveal(),
            max_connections=CONNECTIONS,
            timeout=None,  # the deadline ends the wait for a connection too
            # Once more where a server that was restarted has closed the connection.
            retry=Retry(NoBackoff(), 1),
        )
        self._client = Redis.from_pool(pool)

    async def read(self, user_id: str, merchant_id: str) -> Context:
        """As `Reader.read`."""
        if self._under_way >= _WAITING:
            raise BusyError
        self._under_way += 1
        try:
            async with asyncio.timeout(self._deadline_s):
                user, merchant, markers = await self._fetch(user_id, merchant_id)
            if None in markers:
                missing = [n for n, found in zip(_NAMES, markers, strict=True) if found is None]
                raise StoreFaultError("missing", f"not written: {', '.join(missing)}")
            return dict(decoded_states(_VIEWS, [*user, *merchant], self._decode))
        except TimeoutError:
            raise
        except (exceptions.RedisError, ValueError, OSError) as error:
            raise StoreFaultError(_kind(error), f"{type(error).__name__}: {error}") from error
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _fetch(self, user_id: str, merchant_id: str) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        pipe.execute_command("HMGET", redis_key("user_id", user_id), *_USER_FIELDS)
        if _MERCHANT_FIELDS:
            pipe.execute_command("HMGET", redis_key("merchant_id", merchant_id), *_MERCHANT_FIELDS)
        # Last: whoever flushed the store before the rows were read has taken this away too.
        pipe.execute_command("HMGET", MARKERS, *_NAMES)
        # Raising itself, the pipeline would put the command with its ids into the text.
        found = await pipe.execute(raise_on_error=False)
        for one in found:
            if isinstance(one, Exception):
                raise one
        return found if _MERCHANT_FIELDS else [found[0], [], found[1]]


def _kind(error: Exception) -> FaultKind:
    match error:
        case exceptions.TimeoutError():
            return "late"
        case exceptions.AuthenticationError() | exceptions.BusyLoadingError():
            return "unreadable"
        case exceptions.ConnectionError() | OSError():
            return "missing"
    return "unreadable"
