"""Requests' states from Redis or Valkey: one round trip, for one request or a batch of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import batched

from fraud_platform.features.state import VIEWS
from fraud_platform.online.address import MARKERS, redis_address
from fraud_platform.online.feast_format import redis_fields, redis_key
from fraud_platform.online.read_until import read_until_us
from fraud_platform.settings import Online
from serving.breathing import Breathing
from serving.deadline import Deadline
from serving.off_loop import BusyError
from serving.redis_connection import RedisLink, RefusedCommandError, arguments, command
from serving.store_fault import AGED, STORED_VIEWS, Asked, Fetched, Oldest, StoreFaultError

_WAITING = 256
"""Requests that may be under way; with more, the next ones are not worth the wait."""

_BATCHES = 8
"""Batches that may be under way: a second of the server's time."""

_GROUPS = [
    (key, [field for view in STORED_VIEWS if view.join_key == key for field in redis_fields(view)])
    for key in dict.fromkeys(view.join_key for view in STORED_VIEWS)
]
_PACKED = [
    (key, b"*%d\r\n" % (len(fields) + 2) + arguments(b"HMGET"), arguments(*fields))
    for key, fields in _GROUPS
]
_NAMES = [view.name for view in VIEWS]
_AGED = [VIEWS.index(view) for view in AGED]
# Last: whoever flushed the store before the rows were read has taken this away too.
_MARKERS = command(b"HMGET", MARKERS.encode(), *(name.encode() for name in _NAMES))

_ALL_MARKERS = command(b"HGETALL", MARKERS.encode())


class RedisReader:
    """The `Reader` of a Redis server."""

    def __init__(self, online: Online) -> None:
        self.where = redis_address(online)
        url = online.redis_url.reveal()
        # Batches have their own, or a request would wait behind the two thousand commands of one.
        self._links = {False: RedisLink(url), True: RedisLink(url)}
        self._under_way = {False: 0, True: 0}
        self._oldest = Oldest()

    async def fetch(self, asked: Sequence[Asked], deadline_s: float) -> Fetched:
        """As `Reader.fetch`."""
        batch, breathe = len(asked) > 1, Breathing()
        if self._under_way[batch] >= (_BATCHES if batch else _WAITING):
            raise BusyError
        self._under_way[batch] += 1
        try:
            with _telling():
                async with Deadline(deadline_s):
                    commands = []
                    for ids in asked:
                        commands.append(_commands(ids))
                        await breathe()
                    packed = b"".join([*commands, _MARKERS])
                    found = await self._links[batch].ask(packed, len(asked) * len(_PACKED) + 1)
        finally:
            self._under_way[batch] -= 1
        markers = found.pop()
        if None in markers:
            missing = [n for n, found in zip(_NAMES, markers, strict=True) if found is None]
            raise StoreFaultError("missing", f"not written: {', '.join(missing)}")
        rows = []
        for one in batched(found, len(_PACKED)):
            rows.append([value for row in one for value in row])
            await breathe()
        return Fetched(rows, self._oldest.of([markers[i].decode() for i in _AGED]))

    async def read_until_us(self, deadline_s: float) -> int | None:
        """As `Reader.read_until_us`."""
        with _telling():
            async with Deadline(deadline_s):
                (found,) = await self._links[False].ask(_ALL_MARKERS, 1)
            names = [part.decode() for part in found]
            return read_until_us(dict(zip(names[::2], names[1::2], strict=True)))

    async def close(self) -> None:
        """Closes the connections."""
        for link in self._links.values():
            link.close()


@contextmanager
def _telling() -> Iterator[None]:
    """Turns what the connection raises into what is wrong with the store; a deadline is none."""
    try:
        yield
    except TimeoutError:
        raise
    except RefusedCommandError as error:
        raise StoreFaultError("unreadable", f"refused: {error}") from error
    except (OSError, UnicodeError, ValueError) as error:
        cause = f"{type(error).__name__}: {error}"
        raise StoreFaultError("missing", cause, unreachable=True) from error


def _commands(ids: Asked) -> bytes:
    return b"".join(
        part
        for (key, begin, end), entity_id in zip(_PACKED, ids, strict=True)
        for part in (begin, arguments(redis_key(key, entity_id)), end)
    )
