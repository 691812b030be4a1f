"""A deadline that is held against who was asked, not against an event loop that is behind itself.

Where requests queue up, a timer is run late, and before the sockets are looked at: the answer may
have come long since and lie there unread. Then the sockets are looked at once more.
"""

import asyncio
from types import TracebackType

BEHIND_S = 0.002
"""Seconds after its time at which a timer is run by a loop that is behind."""

LOOK_S = 0.001
"""Seconds until the next look: any later timer is run after the sockets were looked at."""


def is_behind(loop: asyncio.AbstractEventLoop, due: float) -> bool:
    """Whether a timer that was due then, on the loop's clock, is run by a loop that is behind."""
    return loop.time() - due > BEHIND_S


class Deadline:
    """`asyncio.timeout` with that second look: raises TimeoutError at its end."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + seconds
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_at(self._due, self._expire)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._timer.cancel()
        return await self._timeout.__aexit__(kind, error, trace)

    def _expire(self) -> None:
        if is_behind(self._loop, self._due):
            self._timer = self._loop.call_later(LOOK_S, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._timeout.reschedule(self._loop.time())
