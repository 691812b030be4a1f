"""Watching for a new bundle: the champion of the moment, taken into service between requests."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.bundle import MANIFEST, MODEL, champion_path
from serving.metrics import Metrics
from serving.model import LiveModel, load_model
from serving.off_loop import BusyError, OffLoop

logger = logging.getLogger("predictflow.serving")

LOAD_DEADLINE_S = 60.0
"""Past it the bundle is left alone: its disk hangs, or the model is not one for a request."""

_Stamp = tuple[str, ...]


class ChampionWatcher:
    """Keeps `live` at the champion below `bundles`; a champion that is refused leaves it alone.

    `live` is replaced by one assignment. A request reads it once, so its answer speaks of one
    model.
    """

    def __init__(self, bundles: Path, poll_s: float, metrics: Metrics) -> None:
        self.live: LiveModel | None = None
        self.refusal: str | None = None
        """Why the champion of the moment is not in service; None where it is, or there is none."""
        self._bundles = bundles
        self._poll_s = poll_s
        self._metrics = metrics
        self._seen: _Stamp = ()
        self._threads = OffLoop(_Nothing, threads=1, most=4)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads the champion, if there is one, and watches for the next."""
        await self.look()
        self._task = asyncio.create_task(self._watch(), name="champion-watcher")

    async def stop(self) -> None:
        """Ends the watching; what is live stays."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._threads.close()

    async def look(self) -> None:
        """Looks once: takes a new champion into service, or refuses it, once for each."""
        bundles, seen = self._bundles, self._seen
        try:
            self._seen, found = await self._threads.run(
                lambda _: _look(bundles, seen), LOAD_DEADLINE_S
            )
        except (TimeoutError, BusyError):
            self._seen = ()
            found = f"{bundles} did not answer within {LOAD_DEADLINE_S:g} s; look at its disk"
            if found == self.refusal:
                return
        if self._seen == seen:
            return
        self.refusal = found if isinstance(found, str) else None
        if isinstance(found, LiveModel):
            self._go_live(found)
        elif found is not None:
            self._metrics.bundle_refused()
            logger.error("bundle_refused", extra={"fields": {"reason": found}})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self.look()
            except Exception:  # a watcher that ended would leave an old model there unnoticed
                logger.exception("look_failed")

    def _go_live(self, model: LiveModel) -> None:
        self.live = model
        self._metrics.model_live(model)
        manifest = model.manifest
        fields = {"model_version": manifest.model_version, "partition": manifest.partition}
        logger.info("model_live", extra={"fields": fields})


class _Nothing:
    def close(self) -> None: ...


def _look(bundles: Path, seen: _Stamp) -> tuple[_Stamp, LiveModel | str | None]:
    """The champion's stamp and, where it is not the one seen, the model or why it is refused."""
    stamp: _Stamp = ()
    try:
        champion = champion_path(bundles)
        if champion is None:
            return ("none",), None
        stamp = _stamp(champion)
        return stamp, None if stamp == seen else load_model(champion)
    except PredictFlowError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a bundle holds, the old model serves on
        reason = f"{bundles}: {type(error).__name__}: {error}"
    return stamp or (reason,), reason


def _stamp(bundle: Path) -> _Stamp:
    """Another one when the champion is another bundle or its files have changed."""
    parts = [bundle.name]
    for name in (MANIFEST, MODEL):
        try:
            stat = (bundle / name).stat()
            parts.append(f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}")
        except OSError:
            parts.append("absent")
    return tuple(parts)
