"""A circuit breaker: after some faults in a row nobody waits for a store that doesn't answer.

Nygard, Release It!, 2007. No request pays for finding out that it answers again: a task of the
breaker's own tries it now and then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

logger = logging.getLogger("predictflow.serving")

FAULTS = 5
"""Readings in a row that had no answer, after which it opens."""

FIRST_TRIAL_S, LONGEST_PAUSE_S = 0.05, 0.5
"""Seconds to the first trial, so that a hitch costs no more; then twice as many each time."""

BreakerState = Literal["closed", "open"]


class Breaker:
    """Says whether to ask; `trial` says whether there was an answer, `changed` hears of changes."""

    def __init__(
        self, trial: Callable[[], Awaitable[bool]], changed: Callable[[BreakerState], None]
    ) -> None:
        self.state: BreakerState = "closed"
        self._trial = trial
        self._changed = changed
        self._faults = 0
        self._trying: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Notes an answer."""
        self._faults = 0

    def failed(self) -> None:
        """Notes that there was no answer."""
        self._faults += 1
        if self._faults >= FAULTS and self.state == "closed":
            self._become("open")
            self._trying = asyncio.create_task(self._try_until_it_answers(), name="store-trial")

    async def close(self) -> None:
        """Ends the trials."""
        if self._trying is not None:
            self._trying.cancel()
            with suppress(asyncio.CancelledError):
                await self._trying

    async def _try_until_it_answers(self) -> None:
        pause_s = FIRST_TRIAL_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                if await self._trial():
                    break
            except Exception:  # a trial that ended would leave the store unread for good
                logger.exception("store_trial_failed")
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._faults = 0
        self._become("closed")

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._changed(state)
