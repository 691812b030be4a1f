"""Watching for a new bundle: the champion of the moment, taken into service between requests, and
the one in its shadow."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.bundle import MANIFEST, MODEL, champion_path
from fraud_platform.modelling.promotions import formerly_live
from fraud_platform.modelling.shadow import shadow_path
from serving.model import LiveModel, load_model
from serving.model_metrics import BundleMetrics
from serving.off_loop import BusyError, OffLoop

logger = logging.getLogger("predictflow.serving")

LOAD_DEADLINE_S = 60.0
"""Past it the bundle is left alone: its disk hangs, or the model is not one for a request."""

_Stamp = tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """What a watched bundle is there for: where its pointer leads, and how its log lines begin."""

    name: str
    path: Callable[[Path], Path | None]
    refused: str
    stays: bool
    """Whether a model goes on where the pointer leads to no good one any more."""


CHAMPION = Role("model", champion_path, refused="bundle_refused", stays=True)
SHADOW = Role("shadow", shadow_path, refused="shadow_refused", stays=False)


class BundleWatcher:
    """Keeps `live` at the bundle of a role below `bundles`.

    `live` is replaced by one assignment. A request reads it once, so its answer speaks of one
    model.
    """

    def __init__(self, bundles: Path, poll_s: float, role: Role, metrics: BundleMetrics) -> None:
        self.live: LiveModel | None = None
        self.refusal: str | None = None
        """Why the bundle of the moment is not in service; None where it is, or there is none."""
        self._bundles = bundles
        self._poll_s = poll_s
        self._role = role
        self._metrics = metrics
        self._seen: _Stamp = ("not looked yet",)
        self._threads = OffLoop(_Nothing, threads=1, most=4)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks now, and then again and again."""
        self._task = asyncio.create_task(self._watch(), name=f"{self._role.name}-watcher")

    async def stop(self) -> None:
        """Ends the watching; what is live stays."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._threads.close()

    async def look(self) -> None:
        """Looks once: takes a new bundle into service, or refuses it, once for each."""
        bundles, seen, path = self._bundles, self._seen, self._role.path
        try:
            self._seen, found = await self._threads.run(
                lambda _: _look(bundles, path, seen), LOAD_DEADLINE_S
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
        elif self._role.stays and self.live is None and self.refusal is not None:
            await self._fall_back()
        elif not self._role.stays:
            self._go_out()
        if self.refusal is not None:
            self._metrics.refused()
            logger.error(self._role.refused, extra={"fields": {"reason": found}})

    async def _fall_back(self) -> None:
        """A process that starts on a bundle it refuses answers by the last one that was live."""
        bundles = self._bundles
        # What can't be read then is in the refusal already, or the disk hangs.
        with suppress(TimeoutError, BusyError, PredictFlowError):
            former = await self._threads.run(lambda _: _former(bundles), LOAD_DEADLINE_S)
            if former is not None:
                self._go_live(former)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a watcher that ended would leave an old model there unnoticed
                logger.exception("look_failed")
            await asyncio.sleep(self._poll_s)

    def _go_live(self, model: LiveModel) -> None:
        self.live = model
        self._metrics.live(model)
        manifest = model.manifest
        fields = {"model_version": manifest.model_version, "partition": manifest.partition}
        logger.info(f"{self._role.name}_live", extra={"fields": fields})

    def _go_out(self) -> None:
        if self.live is None:
            return
        fields = {"model_version": self.live.manifest.model_version}
        self.live = None
        self._metrics.out()
        logger.info(f"{self._role.name}_out", extra={"fields": fields})


class _Nothing:
    def close(self) -> None: ...


def _look(
    bundles: Path, path: Callable[[Path], Path | None], seen: _Stamp
) -> tuple[_Stamp, LiveModel | str | None]:
    """The bundle's stamp and, where it is not the one seen, the model or why it is refused."""
    stamp: _Stamp = ()
    try:
        bundle = path(bundles)
        if bundle is None:
            return ("none",), None
        stamp = _stamp(bundle)
        return stamp, None if stamp == seen else load_model(bundle)
    except PredictFlowError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a bundle holds, the old model serves on
        reason = f"{bundles}: {type(error).__name__}: {error}"
    return stamp or (reason,), reason


def _former(bundles: Path) -> LiveModel | None:
    """The newest of the formerly live models that can be loaded."""
    former = formerly_live(bundles)
    return next(filter(None, map(_loaded, former)), None)


def _loaded(bundle: Path) -> LiveModel | None:
    try:
        return load_model(bundle)
    except Exception as error:  # noqa: BLE001 - told here, and the one before it may do
        reason = f"{bundle}: {type(error).__name__}: {error}"
    logger.error(CHAMPION.refused, extra={"fields": {"reason": reason}})
    return None


def _stamp(bundle: Path) -> _Stamp:
    """Another one when it is another bundle or its files have changed."""
    parts = [bundle.name]
    for name in (MANIFEST, MODEL):
        try:
            stat = (bundle / name).stat()
            parts.append(f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}")
        except OSError:
            parts.append("absent")
    return tuple(parts)
