"""What the daily job computes of a range of days, step by step as its assets do, in a process of
its own: seconds, CPU seconds and the process's peak memory.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from fraud_platform.contracts.quality import Rule, check_frame
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.defs.feature_parts import write_look_backs, write_tiles
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.quality import features_model
from fraud_platform.features.tables import (
    TRANSACTION_FEATURES,
    TRANSACTION_HABITS,
)
from fraud_platform.lake.feature_days import FeatureDays
from fraud_platform.lake.files import rows_by_day
from fraud_platform.lake.store import Lake
from fraud_platform.memory import peak_mib

_DEFINED = Rule("values_defined", "Features are finite, and missing only where declared.")

STEPS = ("daily_tiles", "transaction_habits", "label_tiles", "transaction_features")


@dataclass
class Measured:
    """Rows of a range, per step its seconds and CPU seconds, and the peak of all in MiB."""

    rows: int
    steps: dict[str, tuple[float, float]] = field(default_factory=dict)
    peak: int = 0

    @property
    def seconds(self) -> float:
        return sum(wall for wall, _ in self.steps.values())

    @property
    def cpu(self) -> float:
        return sum(cpu for _, cpu in self.steps.values())


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result, from a fresh process, so that its peak of memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def make_days(root: Path, start: date, end: date, steps: tuple[str, ...] = STEPS) -> Measured:
    """Makes all tables of start <= day < end; the history's must be there."""
    lake = Lake(root)
    found = Measured(sum(rows_by_day(lake, RAW_TRANSACTIONS, start, end).values()))
    days = FeatureDays(lake, CATALOGUE)
    for step in steps:
        with _timed(found, step):
            _MAKE[step](days, start, end)
    found.peak = peak_mib()
    return found


@contextmanager
def _timed(found: Measured, step: str) -> Iterator[None]:
    begun, used = time.perf_counter(), cpu_seconds()
    yield
    found.steps[step] = (time.perf_counter() - begun, cpu_seconds() - used)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _daily_tiles(days: FeatureDays, start: date, end: date) -> None:
    for first, after in days.parts(start, end):
        write_tiles(days.lake, first, after, days.daily_tiles(first, after))


def _habits(days: FeatureDays, start: date, end: date) -> None:
    for first, after in days.parts(start, end):
        past = days.look_backs(first, after)
        habits = days.habits(first, after, past)
        tiles = days.habit_tiles(habits, first, after)
        write_look_backs(days.lake, first, after, past)
        days.lake.replace_days(TRANSACTION_HABITS, first, after, habits)
        write_tiles(days.lake, first, after, tiles)


def _label_tiles(days: FeatureDays, start: date, end: date) -> None:
    for first, after in days.parts(start, end, TRANSACTION_LABELS):
        write_tiles(days.lake, first, after, days.label_tiles(first, after))


def _features(days: FeatureDays, start: date, end: date) -> None:
    model = features_model(CATALOGUE)
    for first, after in days.parts(start, end):
        frame = days.features(first, after)
        expected = rows_by_day(days.lake, RAW_TRANSACTIONS, first, after)
        assert expected == dict(frame.group_by("event_date").len().iter_rows())
        (outcome,) = check_frame(frame, model, (_DEFINED,))
        assert outcome.passed, outcome
        days.lake.replace_days(TRANSACTION_FEATURES, first, after, frame)


_MAKE: dict[str, Callable[[FeatureDays, date, date], None]] = {
    "daily_tiles": _daily_tiles,
    "transaction_habits": _habits,
    "label_tiles": _label_tiles,
    "transaction_features": _features,
}
