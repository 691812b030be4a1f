"""Long work on the event loop that lets other requests go on in between."""

import asyncio
import time

SLICE_S = 0.001
"""Seconds of work in one go: what another request may have to wait, several times over."""


class Breathing:
    """Called between two steps of the work; where a slice is over, others have a turn."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + SLICE_S

    async def __call__(self) -> None:
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = time.perf_counter() + SLICE_S
