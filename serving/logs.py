"""Logs as JSON, one line an event.

No line names a user, a merchant or a device, and a transaction only where a shadow scored it, so
that its score can be held against the label: what a request said is not logged.
"""

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that a task answers."""


class JsonLines(logging.Formatter):
    """A log record as one JSON object: time, level, logger, event, the request's id where there is
    one, and what `fields` adds."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if (request_id := REQUEST_ID.get()) is not None:
            line["request_id"] = request_id
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
