"""Where Redis is, in words that may be shown."""

from urllib.parse import urlsplit

from fraud_platform.settings import Online


def redis_address(online: Online) -> str:
    """Where Redis is, as host:port, without user or password."""
    parts = urlsplit(online.redis_url.reveal())
    return f"{parts.hostname}:{parts.port or 6379}"
