"""A week of the small world served by the real service, its decisions landed and in the lake."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fraud_platform.clock import HOUR_US, day_start_us, days_between, from_us
from fraud_platform.contracts.decisions import Decision
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.online import Event
from fraud_platform.features.snapshot import FrameStates
from fraud_platform.features.state import VIEWS, View
from fraud_platform.ingest.decision_landing import land_decisions
from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.online import open_store
from fraud_platform.online.sqlite_store import SqliteStore
from fraud_platform.settings import Settings, load_settings
from fraud_platform.stream.recent_events import Payment
from fraud_platform.stream.recorded import RecordedEvents
from fraud_platform_tests.serving.logged import in_files, with_log
from fraud_platform_tests.serving.parts import Client, Deploy, Start
from fraud_platform_tests.world import FIRST, LAST, make
from serving import decided

WEEK = days_between(LAST - timedelta(days=13), LAST - timedelta(days=6))
"""The days served: the last one's labels mature on LAST."""
SECOND = WEEK[4]
"""From here on model 2 answers."""
FRESH = WEEK[2]
"""On this day each payment is recorded as it was judged, and labels are written by the hour; on the
others the state stays that of midnight."""
LATENCY_US = 40_000


@dataclass(frozen=True)
class Served:
    """A data directory with the week in its lake, the decisions as they stood in the service's
    files, and every label that was sent: transaction, known from (microseconds), verdict."""

    data_dir: Path
    decisions: list[Decision]
    labels: list[tuple[str, int, bool]]


class Clock:
    """The time that decisions are dated by."""

    us = 0

    def time_ns(self) -> int:
        return self.us * 1_000


def serve_week(settings: Settings, world: Path, deploy: Deploy, start: Start) -> Served:
    """Serves WEEK and takes its decisions and labels in; `settings` has the world's tables."""
    lake = Lake(settings.lake_dir)
    labels = _labels(lake, world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decided, "time", clock := Clock())
        settings = with_log(settings, "best_effort")
        deploy(settings, "1", threshold=0.1)
        with start(settings) as client:
            _serve(settings, lake, client, clock, WEEK[: WEEK.index(SECOND)])
        deploy(settings, "2", threshold=0.2)
        with start(settings) as client:
            _serve(settings, lake, client, clock, WEEK[WEEK.index(SECOND) :])
        shutil.move(settings.online_store, settings.data_dir / "away")
        with start(settings) as client:
            for row in _payments(lake, WEEK[-1]).tail(5).iter_rows(named=True):
                _ask(client, clock, row)
    decisions = in_files(settings)
    land_decisions(settings, lake)
    make(["prediction_log"], WEEK[0], WEEK[-1])
    return Served(settings.data_dir, decisions, labels)


def _labels(lake: Lake, world: Path) -> list[tuple[str, int, bool]]:
    """Sends labels beside those that the world has when they mature: a third come after two days,
    some of them wrong, and some are taken back an hour after they had matured."""
    frame = pl.read_parquet(world).filter(pl.col("timestamp").dt.date().is_in(WEEK))
    chosen = frame.with_columns(n=pl.col("transaction_id").hash(seed=1) % 30)
    moment, fraud = pl.col("timestamp"), pl.col("is_fraud")
    early = chosen.filter(pl.col("n") < 10).select(
        "transaction_id",
        is_fraud=fraud ^ (pl.col("n") == 0),
        labelled_at=moment + pl.duration(days=2),
    )
    back = chosen.filter(pl.col("n") == 11).select(
        "transaction_id", is_fraud=~fraud, labelled_at=moment + pl.duration(days=7, hours=1)
    )
    sent = pl.concat([early, back])
    path = world.with_name("more_labels.parquet")
    sent.write_parquet(path)
    settings = load_settings()
    land(settings, lake, path, FieldMap("labels"), lambda *_: None)
    # The world was landed today; as if it had been when it happened.
    all_days = (date.min, date.max)
    landed = lake.read(LANDED_EVENTS, *all_days).with_columns(
        landed_at_us=pl.coalesce("timestamp_us", "labelled_at_us")
    )
    lake.replace_days(LANDED_EVENTS, FIRST, LAST + timedelta(days=30), landed)
    make(["transaction_labels"], WEEK[0], LAST)
    matured = frame.select("transaction_id", "is_fraud", labelled_at=moment + timedelta(days=7))
    columns = ("transaction_id", pl.col("labelled_at").dt.epoch("us"), "is_fraud")
    return pl.concat([matured, sent.select(matured.columns)]).select(columns).rows()


def _serve(
    settings: Settings, lake: Lake, client: Client, clock: Clock, days: Sequence[date]
) -> None:
    """Asks for each payment of the days in turn."""
    recorded = RecordedEvents(SqliteStore(settings.online_store, VIEWS))
    for day in days:
        us = day_start_us(day)
        _write(settings, OnlineState(lake, CATALOGUE).of_events(day), us)
        _write(settings, OnlineState(lake, CATALOGUE).of_labels(us, 60), us)
        rows = _payments(lake, day).with_row_index("n")
        for row in rows[: -5 if day == WEEK[-1] else None].iter_rows(named=True):
            hour_us = row["timestamp_us"] // HOUR_US * HOUR_US
            if day == FRESH and hour_us != us:
                us = hour_us
                _write(settings, OnlineState(lake, CATALOGUE).of_labels(us, 60), us)
            if row["n"] % 20 == 3:  # asked for twice, first with another amount
                _ask(client, clock, row | {"amount_cents": row["amount_cents"] % 5_000 + 100})
            if row["n"] % 50 == 7:  # never lands
                _ask(client, clock, row | {"transaction_id": f"unseen-{row['transaction_id']}"})
            _ask(client, clock, row)
            if day == FRESH:
                event = Event(**{name: row[name] for name in Event.__struct_fields__})
                payment = Payment(row["user_id"], row["transaction_id"], event, clock.us // 1_000)
                recorded.record([payment])


def _write(settings: Settings, views: Iterable[tuple[View, pl.DataFrame]], us: int) -> None:
    with open_store(settings) as store:
        for view, rows in views:
            store.write(view, FrameStates(view, rows), from_us(us))


def _payments(lake: Lake, day: date) -> pl.DataFrame:
    return lake.read(RAW_TRANSACTIONS, day, day + timedelta(days=1))


def _ask(client: Client, clock: Clock, row: dict[str, Any]) -> None:
    clock.us = max(clock.us + 1, row["timestamp_us"] + LATENCY_US)
    names = ("transaction_id", "user_id", "merchant_id", "device_id")
    told = {
        "amount": row["amount_cents"] / 100,
        "timestamp": from_us(row["timestamp_us"]).isoformat(),
    }
    answer = client.post("/predict", json={name: row[name] for name in names} | told)
    assert answer.status_code == 200, answer.text
