"""The world of a drill: its days land and are made one after another, and its frauds are asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import polars as pl

from fraud_platform.commands import dagster_run, simulate
from fraud_platform.commands.demo import TABLES
from fraud_platform.commands.drill_story import Missed
from fraud_platform.commands.ingest import ingest
from fraud_platform.commands.materialize import materialize
from fraud_platform.commands.own_service import ask
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.monitoring.drift_day import DriftReport
from fraud_platform.settings import Settings
from fraud_platform.simulator import Shift, SimulatorConfig

START = date(2025, 9, 1)
NEW_FRAUD = "night_takeover"


@dataclass(frozen=True)
class Plan:
    """How many days are made before the first model, how many stay quiet after it, and how many of
    the new ways may pass until the platform has learnt them."""

    before: int = 60
    quiet: int = 30
    most: int = 14
    users: int = 300
    merchants: int = 100
    per_day: int = 1_000
    seed: int = 0

    @property
    def shift_on(self) -> date:
        return START + timedelta(days=self.before + self.quiet)

    @property
    def world(self) -> SimulatorConfig:
        """One day longer than what lands: the frauds of the last are asked about."""
        return SimulatorConfig(
            start=START,
            days=self.before + self.quiet + self.most + 1,
            users=self.users,
            merchants=self.merchants,
            transactions_per_day=self.per_day,
            fraud_share=0.03,
            seed=self.seed,
            shift=Shift(on=self.shift_on, amounts=2.0, hours_later=2.0, new_fraud_share=0.08),
        )


class DrillWorld:
    """The simulated days, and what the platform makes of them."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self.settings = settings
        self._frames = dict(
            zip(
                (plan.world.day(i) for i in range(plan.world.days)),
                simulate.simulate(plan.world),
                strict=True,
            )
        )

    def land(self, first: date, last: date) -> int:
        """Lands the days from first to last; how many payments they have."""
        frame = pl.concat(
            [one for day, one in self._frames.items() if first <= day <= last]
        ).select(simulate.COLUMNS)
        folder = self.settings.data_dir / "days"
        folder.mkdir(exist_ok=True)
        path = folder / f"{first}.parquet"
        frame.write_parquet(path)
        (landed,) = ingest(self.settings, [path], FieldMap())
        if landed.transactions != frame.height:
            raise Missed(f"{landed.transactions} of {frame.height} payments of {path} landed")
        return landed.transactions

    def make(self, first: date, last: date, select: str = TABLES) -> None:
        """Materialises the tables, or what is selected, of the days."""
        materialize(self.settings, first, last, select)

    def report(self, day: date) -> DriftReport:
        """The day's drift_report, made anew."""
        self.make(day, day, "drift_report")
        path = self.settings.drift_dir / f"{day}.json"
        found = msgspec.json.decode(path.read_bytes(), type=DriftReport)
        if found.unjudged:
            raise Missed(f"{day} could not be judged: {found.unjudged}; look into {path}")
        return found

    def freshen(self, day: date) -> None:
        """The online store as of the end of a day."""
        self.make(day, day, "online_features")
        with dagster_run.instance(self.settings) as on:
            as_of = f"{day + timedelta(days=1)}T00:00:00Z"
            dagster_run.run_once(on, "online_labels", {"as_of": as_of})

    def frauds(self, day: date) -> list[dict[str, Any]]:
        """The new frauds of a day that is still to come, as requests: each user's first payment of
        it, as the online state is that of midnight."""
        first = self._frames[day].unique("user_id", keep="first", maintain_order=True)
        return [
            row | {"timestamp": row["timestamp"].isoformat()}
            for row in first.filter(pl.col("fraud_kind") == NEW_FRAUD)
            .drop("is_fraud", "fraud_kind")
            .iter_rows(named=True)
        ]


def answers(address: str, payments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The service's answer to each payment."""
    return [ask(address, one) for one in payments]


def caught(given: Sequence[dict[str, Any]]) -> int:
    """How many of them were called fraud."""
    return sum(one["is_fraud"] for one in given)
