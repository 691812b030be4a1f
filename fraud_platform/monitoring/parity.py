"""Replaying transactions through the online path, and comparing it with the lake bit by bit.

The replay does what production does, each at its time: the daily views at midnight, the labels at
the full hour, a request for each transaction, then the transaction into the recent events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us, days_between, from_us
from fraud_platform.features.online import Event, compile_online
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import moment_of, with_events
from fraud_platform.features.snapshot import FrameStates, label_rows, recent_rows
from fraud_platform.features.state import (
    RECENT_US,
    views,
)
from fraud_platform.features.tables import features_table, habits_table, tile_table
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.online import OnlineStore

Progress = Callable[[int, int], object]


@dataclass
class Parity:
    """What was compared: vectors, the features of each, and the values whose bits differ."""

    features: tuple[str, ...]
    vectors: int = 0
    by_feature: dict[str, int] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    """The first differing values: transaction, feature, offline and online."""

    @property
    def differing(self) -> int:
        return sum(self.by_feature.values())

    def add(self, other: "Parity") -> None:
        """Takes up what was compared elsewhere."""
        self.vectors += other.vectors
        for name, differing in other.by_feature.items():
            self.by_feature[name] = self.by_feature.get(name, 0) + differing
        self.first = [*self.first, *other.first][:20]

    def compare(self, ids: Sequence[str], offline: np.ndarray, online: np.ndarray) -> None:
        """Takes up vectors by features of both sides; a missing value is NaN."""
        self.vectors += len(ids)
        missing = np.isnan(offline) & np.isnan(online)
        differs = (offline.view(np.int64) != online.view(np.int64)) & ~missing
        for row, column in zip(*np.nonzero(differs), strict=True):
            name = self.features[column]
            self.by_feature[name] = self.by_feature.get(name, 0) + 1
            if len(self.first) < 20:
                values = {"offline": offline[row, column], "online": online[row, column]}
                self.first.append({"transaction_id": ids[row], "feature": name, **values})


class Replay:
    """Replays a range of days of the lake on an online store that holds nothing else.

    `users`, where given, are the only ones whose transactions are replayed.
    """

    def __init__(
        self,
        lake: Lake,
        catalogue: Catalogue,
        store: OnlineStore,
        users: Sequence[str] | None = None,
    ) -> None:
        self._lake, self._catalogue, self._store, self._users = lake, catalogue, store, users
        self._state = OnlineState(lake, catalogue)
        self._views = {view.name: view for view in views(catalogue)}
        self._compute = compile_online(catalogue)
        self._compute_habits = compile_online(catalogue, catalogue.looked_back)

    def run(
        self, start: date, end: date, progress: Progress = lambda _done, _total: None
    ) -> Parity:
        """Compares the transactions of start <= day < end."""
        parity = Parity(self._catalogue.names)
        label_tiles = self._label_tiles(start, end)
        self._warm_up(start, label_tiles)
        days = days_between(start, end)
        for done, day in enumerate(days):
            if day != start:
                self._write_daily(day, since=day - timedelta(days=1))
            rows = self._day(day)
            for hour in range(24):
                hour_us = day_start_us(day) + hour * HOUR_US
                if hour_us != day_start_us(start):
                    self._write_labels(label_tiles, hour_us, since=hour_us - HOUR_US)
                of_hour = rows.filter(pl.col("timestamp_us") // HOUR_US == hour_us // HOUR_US)
                for batch in _apart(of_hour):
                    self._ask(batch, parity)
            progress(done + 1, len(days))
        return parity

    def _warm_up(self, start: date, label_tiles: dict[str, pl.DataFrame]) -> None:
        """The store as the first day finds it."""
        begin = day_start_us(start)
        reach = start - timedelta(days=RECENT_US // DAY_US)
        habits = self._mine(self._lake.read(habits_table(self._catalogue), reach, start))
        self._write("user_recent", recent_rows(self._catalogue, habits, begin), begin)
        self._write_daily(start)
        self._write_labels(label_tiles, begin)

    def _ask(self, batch: pl.DataFrame, parity: Parity) -> None:
        """Requests for transactions of different users, then these into the recent events."""
        rows = batch.select(
            "transaction_id", "timestamp_us", "user_id", "merchant_id", "device_id", "amount_cents"
        ).rows()
        users = [row[2] for row in rows]
        contexts = self._store.contexts(users, [row[3] for row in rows])
        vectors, written = [], {}
        recent = self._views["user_recent"]
        for (transaction, us, user, merchant, device, cents), context in zip(
            rows, contexts, strict=True
        ):
            event = Event(
                timestamp_us=us, amount_cents=cents, merchant_id=merchant, device_id=device
            )
            vectors.append(self._compute(event, context))
            moment = moment_of(self._catalogue, transaction, event)
            habits = self._compute_habits(event, context)
            moment |= dict(zip(self._catalogue.looked_back, habits, strict=True))
            changed = with_events(recent, context["user_recent"], [moment])
            if changed is not None:
                written[user] = changed
        offline = batch.select(f"offline__{name}" for name in self._catalogue.names).to_numpy()
        online = np.array(vectors, dtype=np.float64)
        parity.compare([row[0] for row in rows], np.ascontiguousarray(offline), online)
        self._store.write(recent, written, from_us(rows[-1][1]), whole=False)

    def _day(self, day: date) -> pl.DataFrame:
        """The day's transactions in the order that they came in, with the lake's features."""
        after = day + timedelta(days=1)
        names = self._catalogue.names
        offline = self._lake.read(features_table(self._catalogue), day, after).select(
            "transaction_id",
            *(pl.col(name).fill_null(float("nan")).alias(f"offline__{name}") for name in names),
        )
        habits = self._mine(self._lake.read(habits_table(self._catalogue), day, after))
        rows = habits.join(offline, on="transaction_id", how="left", maintain_order="left")
        return rows.sort("timestamp_us", "transaction_id")

    def _mine(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if self._users is None else rows.filter(pl.col("user_id").is_in(self._users))

    def _write_daily(self, day: date, since: date | None = None) -> None:
        """The daily views at midnight; with `since` only who did something from then on."""
        for name, view in self._views.items():
            if name.endswith("_daily"):
                rows = self._state.daily(view.join_key, day)
                if since is not None:
                    rows = rows.filter(pl.col("days").list.last() >= day_start_us(since) // DAY_US)
                if name == "user_daily":
                    rows = self._mine(rows)
                self._write(name, rows, day_start_us(day), whole=since is None)

    def _label_tiles(self, start: date, end: date) -> dict[str, pl.DataFrame]:
        reach = start - timedelta(days=self._catalogue.label_history_days)
        tables = {
            view.name: self._catalogue.label_tiles(view.join_key)
            for view in self._views.values()
            if view.name.endswith("_labels")
        }
        return {
            name: self._lake.read(tile_table(table), reach, end)
            for name, table in tables.items()
            if table is not None
        }

    def _write_labels(
        self, tiles: dict[str, pl.DataFrame], hour_us: int, since: int | None = None
    ) -> None:
        """The label views at the full hour; with `since` only keys with labels known from then."""
        opens = hour_us // DAY_US - self._catalogue.label_history_days
        for name, rows in tiles.items():
            key = self._views[name].join_key
            known = rows.filter(pl.col("hour_us").is_between(opens * DAY_US, hour_us, "left"))
            if since is not None:
                fresh = known.filter(pl.col("hour_us") >= since)[key].unique()
                known = known.filter(pl.col(key).is_in(fresh.implode()))
            if known.height or since is None:
                states = label_rows(self._catalogue, key, known, hour_us)
                self._write(name, states, hour_us, whole=since is None)

    def _write(self, name: str, rows: pl.DataFrame, as_of_us: int, whole: bool = True) -> None:
        view = self._views[name]
        self._store.write(view, FrameStates(view, rows), from_us(as_of_us), whole=whole)


def _apart(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows in order, cut where a user comes again: one's own events see each other."""
    seen: set[str] = set()
    first = 0
    for i, user in enumerate(rows["user_id"]):
        if user in seen:
            yield rows[first:i]
            seen, first = set(), i
        seen.add(user)
    if first < rows.height:
        yield rows[first:]
