"""Figures and moments in words, for a page and a terminal."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

NOTHING = "\N{EN DASH}"
"""Stands where there is no figure."""


def moment(text: str) -> datetime | None:
    """An RFC 3339 moment; None for what is none, or has no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def shown(at: datetime) -> str:
    """A moment to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def when(text: str) -> str:
    """A moment of the figures to the minute, or its text where it is none."""
    found = moment(text)
    return shown(found) if found else text


def age(seconds: float) -> str:
    """How long: "40 s", "12 min", "3 h", "5 days"."""
    seconds = max(0.0, seconds)
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def share(value: float) -> str:
    """A share in per cent: 0, 0.02 %, 3.4 %, 56 %, 100 %."""
    percent = 100 * value
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent > 99:  # no share is rounded up to all
        return f"{min(percent, 99.99):.2f} %"
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "none yet"
    ms = seconds * 1000
    return f"{ms:.2g} ms" if ms < 10 else f"{ms:.0f} ms"


def figure(value: float | None) -> str:
    """A figure from 0 to 1 with three places."""
    return NOTHING if value is None else f"{value:.3f}"


def money(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 day", "3 days"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def calendar(days: Sequence[str], most: int = 30) -> list[str]:
    """Each day from the first to the last, at most so many, ending with the last.

    What is no day of the calendar is left out.
    """
    found = sorted(one for text in days if (one := _day(text)) is not None)
    if not found:
        return []
    count = min(most, (found[-1] - found[0]).days + 1)
    return [str(found[-1] - timedelta(days=back)) for back in range(count - 1, -1, -1)]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
