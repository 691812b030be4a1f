"""`predictflow exporter`: the platform's figures for Prometheus, beyond the runs that make them."""

import logging
import time
from pathlib import Path
from threading import Event

from fraud_platform.commands.stopping import until_stopped
from fraud_platform.contracts.monitoring import Figures
from fraud_platform.errors import PredictFlowError
from fraud_platform.metrics_port import metrics_served
from fraud_platform.monitoring.figures_file import read_figures, write_figures
from fraud_platform.monitoring.figures_metrics import registry_of
from fraud_platform.settings import Settings, load_settings

log = logging.getLogger("predictflow.exporter")


def run_exporter(*, gather: bool) -> None:
    """Answers until SIGTERM or SIGINT with what the file of figures holds when it is asked."""
    settings = load_settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    registry = registry_of(_Reader(settings.figures_file), settings)
    with metrics_served(registry, settings.exporter) as port, until_stopped() as stop:
        log.info("metrics on http://%s:%d/metrics", settings.exporter.metrics_host, port)
        if gather:
            _gather_until(stop, settings)
        stop.wait()
    log.info("stopped")


class _Reader:
    """Reads the file at each look; what is wrong with it is said once, not at each scrape."""

    def __init__(self, path: Path) -> None:
        self._path, self._said = path, ""

    def __call__(self) -> Figures | None:
        try:
            found = read_figures(self._path)
        except PredictFlowError as error:
            self._say(str(error))
            raise
        self._say("" if found else f"there is no {self._path} yet; see --gather")
        return found

    def _say(self, what: str) -> None:
        if what and what != self._said:
            log.warning(what)
        self._said = what


def _gather_until(stop: Event, settings: Settings) -> None:
    # A second to import, which an exporter beside a daemon needn't pay.
    from fraud_platform.commands.dagster_run import instance  # noqa: PLC0415
    from fraud_platform.dogstatsd import send_gauges  # noqa: PLC0415
    from fraud_platform.lake.store import Lake  # noqa: PLC0415
    from fraud_platform.monitoring.figures import gather  # noqa: PLC0415

    with instance(settings) as on:
        while not stop.is_set():
            began = time.perf_counter()
            try:
                figures = gather(settings, Lake(settings.lake_dir), on)
                write_figures(settings.figures_file, figures)
            except Exception:  # the former figures stay, and their age tells
                log.exception("the figures were not gathered")
            else:
                for fault in figures.faults:
                    log.warning(fault)
                send_gauges(registry_of(lambda found=figures: found, settings), settings.datadog)
                log.info("gathered in %.0f ms", (time.perf_counter() - began) * 1000)
            stop.wait(settings.exporter.gather_seconds)
