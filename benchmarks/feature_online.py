"""The online side of the features benchmark: a store filled from the lake, vectors read of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import polars as pl

from benchmarks.feature_days import cpu_seconds
from feature_repo.store import apply, opened
from fraud_platform.clock import DAY_US, day_start_us, from_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.online import compute_vector
from fraud_platform.features.past import Event
from fraud_platform.features.snapshot import FrameStates
from fraud_platform.features.state import VIEWS
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.memory import peak_mib
from fraud_platform.online import open_store
from fraud_platform.settings import Settings

Request = tuple[str, Event]
"""A user and a payment of theirs."""


@dataclass
class Filled:
    """What filling the store took: per view its rows, seconds to make and to write them."""

    views: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    cpu: float = 0.0
    peak: int = 0
    last_user: str | None = None
    """Of some users only, the last whose rows are in every view."""

    @property
    def seconds(self) -> float:
        return sum(made + written for _, made, written in self.views.values())


def fill(root: Path, settings: Settings, end: date, most: int | None = None) -> Filled:
    """Writes the whole online state as of the first moment of `end`, or of `most` users only."""
    found, used = Filled(), cpu_seconds()
    state = OnlineState(Lake(root), CATALOGUE)
    with open_store(settings) as store:
        makers: dict[str, Callable[[], pl.DataFrame]] = {
            "user_recent": lambda: state.recent(end),
            "user_daily": lambda: state.daily("user_id", end),
            "merchant_daily": lambda: state.daily("merchant_id", end),
        }
        for view in VIEWS:
            begun = time.perf_counter()
            if view.name in makers:
                frame = makers[view.name]()
            else:
                frame = next(f for v, f in state.of_labels(day_start_us(end), 7) if v == view)
            if most is not None and view.entity == "user":
                frame = frame.sort("user_id").head(most)
                last = frame["user_id"][-1]
                found.last_user = min(last, found.last_user or last)
            made = time.perf_counter() - begun
            begun = time.perf_counter()
            store.write(view, FrameStates(view, frame), from_us(day_start_us(end)))
            found.views[view.name] = (frame.height, made, time.perf_counter() - begun)
            del frame
    found.cpu, found.peak = cpu_seconds() - used, peak_mib()
    return found


def requests(root: Path, day: date, count: int, last_user: str | None = None) -> list[Request]:
    """Payments of the day before, as if made a day later; of the users up to one only."""
    before = day - timedelta(days=1)
    payments = Lake(root).read(RAW_TRANSACTIONS, before, day)
    if last_user is not None:
        payments = payments.filter(pl.col("user_id") <= last_user)
    asked = payments.sample(min(count, payments.height), seed=1)
    return [
        (
            row["user_id"],
            Event(
                timestamp_us=row["timestamp_us"] + DAY_US,
                amount_cents=row["amount_cents"],
                merchant_id=row["merchant_id"],
                device_id=row["device_id"],
            ),
        )
        for row in asked.iter_rows(named=True)
    ]


def vectors(settings: Settings, asked: Sequence[Request]) -> list[float]:
    """Milliseconds of each reading and computing of a vector."""
    with open_store(settings) as store:

        def one(user: str, event: Event) -> None:
            (context,) = store.contexts([user], [event.merchant_id])
            assert context["user_daily"]["days"]
            compute_vector(event, context)

        return _timed(one, asked)


def vectors_by_feast(settings: Settings, asked: Sequence[Request]) -> list[float]:
    """The same through `FeatureStore.get_online_features` with the on-demand view."""
    references = [f"transaction_vector:{name}" for name in CATALOGUE.names]
    apply(settings)
    with opened(settings) as store:

        def one(user: str, event: Event) -> None:
            row: dict[str, Any] = {
                "user_id": user,
                "merchant_id": event.merchant_id,
                "timestamp_us": event.timestamp_us,
                "amount_cents": event.amount_cents,
                "device_id": event.device_id,
            }
            store.get_online_features(references, [row], full_feature_names=True).to_dict()

        return _timed(one, asked)


def middle_and_last(took: Sequence[float]) -> tuple[float, float]:
    """The median, and what 99 of 100 stay under."""
    cuts = quantiles(took, n=100)
    return cuts[49], cuts[98]


def _timed(one: Callable[[str, Event], None], asked: Sequence[Request]) -> list[float]:
    for user, event in asked[:50]:  # connections, caches
        one(user, event)
    found = []
    for user, event in asked:
        begun = time.perf_counter()
        one(user, event)
        found.append((time.perf_counter() - begun) * 1000)
    return found
