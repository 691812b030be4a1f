"""`/metrics` as text, of one process or of all workers; and what a worker says of itself."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

MEASURE_S = 5.0
"""Seconds between two looks at a worker's own memory."""

_PAGE = resource.getpagesize()
_STATM = Path("/proc/self/statm")


def shared_directory() -> str | None:
    """Where the workers' figures are, None in a process that is alone."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR")


def exposition(registry: CollectorRegistry) -> bytes:
    """The metrics in Prometheus' text format."""
    shown: CollectorRegistry = registry
    if (directory := shared_directory()) is not None:
        shown = CollectorRegistry()
        MultiProcessCollector(shown, directory)
    return generate_latest(_Shown(shown))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Shown(Collector):
    """Metrics without the models that are in service no more, and with workers by their number."""

    source: Collector

    def collect(self) -> Iterator[Metric]:
        for metric in self.source.collect():
            if metric.name.endswith("_info"):
                metric.samples = [sample for sample in metric.samples if sample.value]
            if metric.type == "gauge":
                metric.samples = [_by_worker(sample) for sample in metric.samples]
            yield metric


def _by_worker(sample: Sample) -> Sample:
    # The library takes what tells the files apart for a process id; here it is a number.
    if "pid" not in sample.labels:
        return sample
    labels = {"worker" if name == "pid" else name: value for name, value in sample.labels.items()}
    return sample._replace(labels=labels)


class WorkerMetrics:
    """A worker's own: one line each, labelled with its number where there are several."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge(
            "fraud_worker_up",
            "1 for each process that answers",
            registry=registry,
            multiprocess_mode="liveall",
        )
        self._memory = Gauge(
            "fraud_worker_memory_bytes",
            "Resident memory of each process that answers",
            registry=registry,
            multiprocess_mode="liveall",
        )

    def measure(self) -> None:
        """Takes the process's measure; called every MEASURE_S while it answers."""
        self._up.set(1)
        self._memory.set(int(_STATM.read_text().split()[1]) * _PAGE)
