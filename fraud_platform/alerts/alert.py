"""What people are told, and how it reads."""

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings.alerts import Severity

Channel = Literal["operations", "data_quality"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

LONGEST_KEY = 255
"""What PagerDuty takes."""
LONGEST_TITLE = 200
LONGEST_TEXT = 3_000
"""Characters; what is longer is cut. Slack cuts at 40,000, PagerDuty takes a title of 1,024."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that people should know.

    `key` says of what it is: while it stays so, the alert is sent once in `repeat_minutes`. One
    that `resolves` takes an earlier one with its key back.
    """

    key: str
    severity: Severity
    channel: Channel
    title: str
    text: str = ""
    link: str = ""
    """The page of the run, or of what it is about."""
    when: Annotated[datetime, Meta(tz=True)]
    resolves: bool = False
    suppressed: int = 0
    """How often it was raised, and not sent, since it was sent last."""

    def __post_init__(self) -> None:
        """Raises ValueError for what couldn't be read back once it is kept."""
        if not 1 <= len(self.key) <= LONGEST_KEY:
            raise ValueError(f"alert key {self.key!r} hasn't 1 to {LONGEST_KEY} characters")
        if self.when.tzinfo is None:
            raise ValueError(f"alert {self.key}: {self.when} has no time zone")

    def is_graver_than(self, other: "Alert") -> bool:
        """Whether its severity is higher."""
        return SEVERITIES.index(self.severity) > SEVERITIES.index(other.severity)

    @property
    def headline(self) -> str:
        """One line: the severity, or that it is over, and the title."""
        return f"[{'resolved' if self.resolves else self.severity}] {self.title}"

    @property
    def body(self) -> str:
        """Everything below the headline, link excluded."""
        again = f"Raised {self.suppressed} times more since it was last sent."
        when = f"{self.when:%Y-%m-%d %H:%M:%S} UTC, {self.channel}, {self.key}"
        return "\n".join(filter(None, (self.text, again if self.suppressed else "", when)))


class DeliveryError(PredictFlowError):
    """A target didn't take an alert; `refused` where it answered so, and others may be taken."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


def one_line(text: str, longest: int = LONGEST_TITLE) -> str:
    """The text on one line of printable characters, cut where it is too long."""
    return cut(" ".join("".join(c if c.isprintable() else " " for c in text).split()), longest)


def cut(text: str, longest: int) -> str:
    """The text, with an ellipsis for what is past so many characters.

    What no encoding has, as from names of files, is a question mark.
    """
    text = text.encode(errors="replace").decode()
    return text if len(text) <= longest else text[: longest - 1] + "…"
