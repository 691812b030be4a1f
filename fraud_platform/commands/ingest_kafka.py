"""`predictflow ingest --kafka`: from the topics into the lake, once or on and on."""

import logging
import time

import polars as pl

from fraud_platform import progress
from fraud_platform.commands import console
from fraud_platform.commands.follower_log import log_as_follower
from fraud_platform.commands.recorded import record_landed
from fraud_platform.commands.stopping import until_stopped
from fraud_platform.ingest.contract_decoder import TYPE_CHANGED
from fraud_platform.ingest.follower_metrics import FollowerMetrics
from fraud_platform.ingest.ingested import Ingested
from fraud_platform.ingest.kafka import follow, ingest_to_end
from fraud_platform.lake.store import Lake
from fraud_platform.metrics_port import metrics_served
from fraud_platform.settings import Settings, load_settings

STATUS_SECONDS = 10.0
log = logging.getLogger("predictflow.ingest")


def run_to_end(*, accept_loss: bool, as_json: bool) -> None:
    settings = _prepared()
    lake = Lake(settings.lake_dir)
    with console.bars():
        done = ingest_to_end(
            settings,
            lake,
            accept_loss=accept_loss,
            progress=lambda landed, total: progress.report("land from Kafka", landed, total),
        )
    if done.days:
        record_landed(settings, lake, set(done.days), {"transactions": done.transactions})
    _show(done, as_json=as_json)


def run_follow(*, accept_loss: bool, as_json: bool) -> None:
    settings = _prepared()
    metrics, status = FollowerMetrics(), _Status()

    def told(one: Ingested, rows: pl.DataFrame) -> None:
        metrics.landed(one, rows)
        for reason, count in one.reasons.items():
            if reason.startswith(TYPE_CHANGED):
                log.error("quarantined %d records of a changed type: %s", count, reason)
        for name in one.new_fields:
            log.warning("%s: the contract lacks it, it is left out", name)

    def looked(done: Ingested) -> None:
        metrics.looked(done)
        status.show(done)

    with metrics_served(metrics.registry, settings.ingest) as port, until_stopped() as stop:
        log.info("metrics on http://%s:%d/metrics", settings.ingest.metrics_host, port)
        done = follow(
            settings,
            Lake(settings.lake_dir),
            stop,
            accept_loss=accept_loss,
            told=told,
            looked=looked,
            failed=metrics.failed,
        )
    _show(done, as_json=as_json)


KINDS = ("transactions", "labels", "predictions", "rejected")


def _rows(done: Ingested) -> int:
    return sum(getattr(done, name) for name in KINDS)


class _Status:
    """A line every ten seconds in which something was landed."""

    def __init__(self) -> None:
        self._at, self._rows = time.monotonic(), 0

    def show(self, done: Ingested) -> None:
        now, rows = time.monotonic(), _rows(done)
        if now - self._at < STATUS_SECONDS or rows == self._rows:
            return
        log.info(
            "%s transactions, %s labels, %s predictions, %s rejected; %.0f records/s, %s wait",
            *(f"{getattr(done, name):,}" for name in KINDS),
            (rows - self._rows) / (now - self._at),
            f"{sum(done.lag.values()):,}",
        )
        self._at, self._rows = now, rows


def _prepared() -> Settings:
    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log_as_follower(log)
    return settings


def _show(done: Ingested, *, as_json: bool) -> None:
    if as_json:
        console.emit(done.document())
        return
    names = (*KINDS, "duplicates", "late", "too_late", "commits")
    counts = tuple(getattr(done, name) for name in names)
    console.table("Landed", tuple(name.replace("_", " ") for name in names), [counts])
    rows = [(name, at, done.lag.get(name, 0)) for name, at in sorted(done.positions.items())]
    console.table("Partitions", ("partition", "next offset", "records that wait"), rows)
    for reason, count in done.reasons.most_common(5):
        console.console.print(f"  {count:,} x {reason}", markup=False)
    for name in done.new_fields:
        console.console.print(f"  {name}: the contract lacks it, it is left out", markup=False)
    if done.rejected:
        console.console.print("See them with: predictflow quarantine list")
