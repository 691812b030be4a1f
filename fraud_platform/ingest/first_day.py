"""The earliest day that was landed: where the daily partitions start when no setting says."""

import fcntl
from collections.abc import Iterable
from datetime import date

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings

FILE = "first_day"


def read_first_day(settings: Settings) -> date | None:
    """The earliest landed day, or None before anything was landed."""
    path = settings.data_dir / FILE
    try:
        return date.fromisoformat(path.read_text().strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise PredictFlowError(
            f"{path} holds no day ({error}); write the earliest landed day into it, YYYY-MM-DD"
        ) from error


def note_days(settings: Settings, days: Iterable[date]) -> None:
    """Remembers the earliest of these days if none before it was landed."""
    earliest = min(days, default=None)
    if earliest is None:
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / f".{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read_first_day(settings)
        if known is None or earliest < known:
            staging = settings.data_dir / f".{FILE}"
            staging.write_text(earliest.isoformat() + "\n")
            staging.replace(settings.data_dir / FILE)
