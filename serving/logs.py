"""Logs as JSON, one line an event.

No line names a user, a merchant or a device, and a transaction only where a shadow scored it, so
that its score can be held against the label: what a request said is not logged.
"""

import logging
import sys
from datetime import UTC, datetime

import msgspec


class JsonLines(logging.Formatter):
    """A log record as one JSON object: time, level, logger, event, and what `fields` adds."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def log_as_json() -> None:
    """Sends the logs of this process to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # It announces each of its steps; the service says itself when it is ready.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
