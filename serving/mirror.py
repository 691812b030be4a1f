"""Bundles in S3 brought into the local bundles directory, which the watcher then takes them from.

One thread of one worker does it, off every event loop; the others take over where that one ends.
Whatever happens to S3, the bundles that were verified here before stay, and serve on.
"""

import fcntl
import logging
import os
import threading
from pathlib import Path
from typing import Literal

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling import promotion_log
from fraud_platform.modelling.bundle import BundleError
from fraud_platform.modelling.promotion_log import Entry, PromotionRefused
from fraud_platform.modelling.remote_bundles import RemoteBundles
from fraud_platform.settings import Settings
from serving.model_metrics import MirrorMetrics

logger = logging.getLogger("predictflow.serving")

LAST_RETRY_S = 10.0
"""Seconds between two looks after many that failed."""


class BundleMirror:
    """Follows the pointer in S3; nothing where the settings name no such place."""

    def __init__(self, settings: Settings, runtime: Path, metrics: MirrorMetrics) -> None:
        self._url = settings.serving.bundles_url
        self._root = settings.bundles_dir
        self._poll_s = settings.serving.poll_seconds
        self._state = runtime / "bundles-mirror"
        self._lock = runtime / "bundles-mirror.lock"
        self._metrics = metrics
        self._etag = ""
        self._told: str | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        """Starts the thread, where bundles are in S3."""
        if self._url:
            threading.Thread(target=self._work, name="bundle-mirror", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread after what it is at; one that waits for S3 ends with the process."""
        self._ending.set()

    @property
    def fault(self) -> str | None:
        """Why this service does not follow S3 just now, as the worker that looks says."""
        try:
            return self._state.read_text() or None if self._url else None
        except FileNotFoundError:
            return f"{self._url} was not looked at yet"

    def _work(self) -> None:
        remote, wait_s = RemoteBundles(self._url), 0.0
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not self._ending.wait(wait_s):
                if not _is_ours(lock) or self._look(remote):
                    wait_s = self._poll_s
                else:
                    wait_s = min(LAST_RETRY_S, max(self._poll_s, 2 * wait_s))
        finally:
            os.close(lock)  # which lets the lock go

    def _look(self, remote: RemoteBundles) -> bool:
        """Takes over what is new; False where that failed."""
        try:
            found = remote.pointer(self._etag)
            if found is not None:
                bundle = remote.fetch(found.entry, self._root)
                _adopt(self._root, found.entry, self._url)
                self._etag = found.etag
                logger.info("bundle_fetched", extra={"fields": {"bundle": bundle.name}})
        except (BundleError, PromotionRefused) as error:
            self._tell("refused", str(error))
        except PredictFlowError as error:
            self._tell("away", str(error))
        except Exception as error:
            logger.exception("mirror_failed")
            self._tell("away", f"{self._url}: {type(error).__name__}: {error}")
        else:
            self._tell("ok", "")
            return True
        return False

    def _tell(self, outcome: Literal["ok", "away", "refused"], fault: str) -> None:
        self._metrics.looked(outcome)
        if fault == self._told:
            return
        self._told = fault
        staging = self._state.with_suffix(".new")
        staging.write_text(fault)
        staging.replace(self._state)
        if fault:
            fields = {"reason": fault}
            logger.error(f"remote_bundles_{outcome}", extra={"fields": fields})
        else:
            logger.info("remote_bundles_followed", extra={"fields": {"url": self._url}})


def _is_ours(lock: int) -> bool:
    """Whether this process is the one that looks: the first to ask, until it ends."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _adopt(root: Path, entry: Entry, url: str) -> None:
    """Makes a promotion the last one of the local log, unless it is there already."""
    last = promotion_log.last(root)
    if last is None or last.number < entry.number:
        promotion_log.append(root, entry)  # where it was taken meanwhile, it is looked at below
        last = promotion_log.last(root)
    assert last is not None
    if (last.number, last.sha256) != (entry.number, entry.sha256):
        raise PromotionRefused(
            f"{root} has promotion {last.number}, v{last.model_version}, and {url} promotion "
            f"{entry.number}, v{entry.model_version}: where models are promoted, run `predictflow "
            "models publish`; elsewhere give the service a data_dir of its own"
        )
