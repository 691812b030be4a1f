"""The earliest day that was landed: where the daily partitions start when no setting says."""

from collections.abc import Iterable
from datetime import date

from fraud_platform.settings import Settings

FILE = "first_day"


def read_first_day(settings: Settings) -> date | None:
    """The earliest landed day, or None before anything was landed."""
    try:
        return date.fromisoformat((settings.data_dir / FILE).read_text().strip())
    except FileNotFoundError:
        return None


def note_days(settings: Settings, days: Iterable[date]) -> None:
    """Remembers the earliest of these days if none before it was landed."""
    known = read_first_day(settings)
    earliest = min(days, default=None)
    if earliest and (known is None or earliest < known):
        staging = settings.data_dir / f".{FILE}"
        staging.write_text(earliest.isoformat() + "\n")
        staging.replace(settings.data_dir / FILE)
