"""Whether and where Datadog's agent is sent figures."""

import re
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from fraud_platform.settings.base import Section

_TAG = re.compile(r"[A-Za-z][\w./-]*:[\w./:-]+")
_PREFIX = re.compile(r"[A-Za-z][\w.]*")


class Datadog(Section, frozen=True):
    """Datadog's agent, which takes figures by DogStatsD (UDP). Without a host it is sent nothing.

    Or leave this off and let the agent read /metrics, as in deploy/datadog; the names are the same.
    """

    host: str = ""
    """The agent's name or address, as 127.0.0.1."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8125
    prefix: str = "predictflow"
    """What the names begin with, before a dot; the monitors of deploy/datadog have this one."""
    tags: str = ""
    """`name:value` pairs with commas between them that all figures have, as env:prod,team:risk."""
    seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    """How often the service sends; the agent itself hands on every ten seconds."""

    @property
    def own_tags(self) -> list[str]:
        """The tags, taken apart."""
        return [tag for part in self.tags.split(",") if (tag := part.strip())]


def datadog_faults(datadog: Datadog) -> Iterator[str]:
    """What can't be of these settings, each as `name: value; mend`."""
    for tag in datadog.own_tags:
        if not _TAG.fullmatch(tag):
            yield f"tags: {tag!r} is no tag; expected name:value, as env:prod,team:risk"
    if not _PREFIX.fullmatch(datadog.prefix):
        yield f"prefix: {datadog.prefix!r} is no beginning of a name; expected one as predictflow"
