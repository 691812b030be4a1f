"""Where Redis is, in words that may be shown, how long it is waited for, and how it is marked."""

from urllib.parse import urlsplit

from fraud_platform.features.state import PROJECT
from fraud_platform.settings import Online

CONNECT_S, ANSWER_S = 3.0, 10.0
"""Seconds that a writer or batch reader waits for a connection and for an answer."""

MARKERS = f"{PROJECT}:views"
"""The hash that says which views are there, and as of when; what flushes the store removes it."""


def redis_address(online: Online) -> str:
    """Where Redis is, as host:port, without user or password."""
    parts = urlsplit(online.redis_url.reveal())
    return f"{parts.hostname}:{parts.port or 6379}"
