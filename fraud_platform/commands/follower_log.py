"""The log of a command that follows Kafka: what it does, and little of what the client says."""

import logging

SELDOM_SECONDS = 30.0


def log_as_follower(log: logging.Logger) -> None:
    """Logs with time and level on standard error; faults of Kafka's client through `log`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    client = logging.getLogger("kafka")
    client.propagate = False
    client.addHandler(_Seldom(log))


class _Seldom(logging.Handler):
    """Passes on what Kafka's client says of its faults, of the many lines of each one a while."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.ERROR)
        self._log, self._after = log, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.created >= self._after:
            self._after = record.created + SELDOM_SECONDS
            self._log.warning("Kafka's client: %s", record.getMessage())
