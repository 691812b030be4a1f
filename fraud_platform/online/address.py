"""Where Redis is, in words that may be shown, and how long it is waited for."""

from urllib.parse import urlsplit

from fraud_platform.settings import Online

CONNECT_S, ANSWER_S = 3.0, 10.0
"""Seconds that a writer or batch reader waits for a connection and for an answer."""


def redis_address(online: Online) -> str:
    """Where Redis is, as host:port, without user or password."""
    parts = urlsplit(online.redis_url.reveal())
    return f"{parts.hostname}:{parts.port or 6379}"
