"""The service's figures for Datadog's agent, from a thread that no answer waits for."""

import threading

from fraud_platform.dogstatsd import Agent, DogStatsD
from fraud_platform.settings import Datadog
from serving.metrics import Metrics


class DatadogReport:
    """Sends what `/metrics` shows of this process, and each answer's own time; off without a host.

    A count of the last seconds is lost where a process is killed; Prometheus' files keep it.
    """

    def __init__(self, settings: Datadog, metrics: Metrics, worker: int | None) -> None:
        self._settings, self._metrics = settings, metrics
        # Gauges of several workers would overwrite each other.
        tags = {} if worker is None else {"worker": str(worker)}
        self._lines = DogStatsD(settings, **tags)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, where there is a host to send to."""
        if self._settings.host:
            # A worker in the place of another counts on from there; what that one sent is sent.
            list(self._lines.lines(self._metrics.registry))
            self._metrics.timed = self._lines.timing
            self._thread = threading.Thread(target=self._work, name="datadog", daemon=True)
            self._thread.start()

    def close(self, seconds: float = 1.0) -> None:
        """Sends what is left, or leaves it after some seconds."""
        if self._thread is not None:
            self._ending.set()
            self._thread.join(seconds)
            self._thread = None

    def _work(self) -> None:
        agent = Agent(self._settings)
        last = False
        while not last:
            last = self._ending.wait(self._settings.seconds)
            agent.send(self._lines.lines(self._metrics.registry))
