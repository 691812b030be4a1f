"""`predictflow stream`: users' recent events in the online store, as their transactions come."""

import logging
import time

from fraud_platform.commands import console
from fraud_platform.commands.follower_log import log_as_follower
from fraud_platform.commands.stopping import until_stopped
from fraud_platform.metrics_port import metrics_served
from fraud_platform.settings import load_settings
from fraud_platform.stream.metrics import StreamMetrics
from fraud_platform.stream.streamed import Streamed
from fraud_platform.stream.worker import stream

STATUS_SECONDS = 10.0
log = logging.getLogger("predictflow.stream")


def run_stream(*, until_caught_up: bool, as_json: bool) -> None:
    settings = load_settings()
    log_as_follower(log)
    metrics, status = StreamMetrics(), _Status()

    def looked(done: Streamed) -> None:
        metrics.looked(done)
        status.show(done)

    with metrics_served(metrics.registry, settings.stream) as port, until_stopped() as stop:
        log.info("metrics on http://%s:%d/metrics", settings.stream.metrics_host, port)
        done = stream(
            settings,
            stop,
            until_caught_up=until_caught_up,
            told=metrics.written,
            looked=looked,
        )
    _show(done, as_json=as_json)


class _Status:
    """A line every ten seconds in which something was read."""

    def __init__(self) -> None:
        self._at, self._read = time.monotonic(), 0

    def show(self, done: Streamed) -> None:
        now, read = time.monotonic(), done.events + done.duplicates + done.skipped.total()
        if now - self._at < STATUS_SECONDS or read == self._read:
            return
        log.info(
            "%s events, %s duplicates, %s skipped; %.0f records/s, %s wait",
            *(f"{n:,}" for n in (done.events, done.duplicates, done.skipped.total())),
            (read - self._read) / (now - self._at),
            f"{sum(done.lag.values()):,}",
        )
        self._at, self._read = now, read


def _show(done: Streamed, *, as_json: bool) -> None:
    if as_json:
        console.emit(done.document())
        return
    names = ("events", "duplicates", "batches", "rebalances", "rereads")
    console.table("Streamed", names, [[getattr(done, name) for name in names]])
    for reason, count in done.skipped.most_common():
        console.console.print(f"  {count:,} skipped: {reason} (see: predictflow quarantine list)")
