"""Rows landed late for days already made: which runs make them, and what follows, again."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta

import dagster as dg
import msgspec

from fraud_platform.clock import days_between
from fraud_platform.defs.daily_tiles import daily_tiles
from fraud_platform.defs.label_tiles import label_tiles
from fraud_platform.defs.online_features import online_features
from fraud_platform.defs.prediction_log import prediction_log
from fraud_platform.defs.prediction_quality import prediction_quality
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.transaction_features import transaction_features
from fraud_platform.defs.transaction_habits import transaction_habits
from fraud_platform.defs.transaction_labels import transaction_labels
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.counts import days_with_rows, landed_counts
from fraud_platform.lake.late import TableDays, following_days, ranges, relabelled_days
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

FEATURES = [daily_tiles, transaction_habits, label_tiles, transaction_features]
"""What follows from transactions and labels, made in one run."""

LATE_JOB, FOLLOWS_JOB = "late_transactions", "what_follows"


class Cursor(msgspec.Struct):
    """What the sensor remembers. `relabelled`: raw days whose labels have been looked after;
    `unjudged`: days of labels or decisions made again, by which no quality was judged yet."""

    transactions: TableDays = msgspec.field(default_factory=TableDays)
    labels: TableDays = msgspec.field(default_factory=TableDays)
    predictions: TableDays = msgspec.field(default_factory=TableDays)
    relabelled: set[date] = msgspec.field(default_factory=set)
    unjudged: set[date] = msgspec.field(default_factory=set)


class Late:
    """The steps; each gives the runs to request, and notes in the cursor what it did."""

    def __init__(self, settings: Settings, lake: Lake, cursor: Cursor, today: date) -> None:
        self._settings, self._lake, self._cursor = settings, lake, cursor
        counts = landed_counts(lake)
        tables = {
            "transaction": cursor.transactions,
            "label": cursor.labels,
            "prediction": cursor.predictions,
        }
        self._landed = {name: counts.get(name, {}) for name in tables}
        self._oldest = today - timedelta(days=settings.ingest.late_days)
        self.too_late: list[tuple[str, date]] = []
        self.newly_too_late: list[tuple[str, date]] = []
        for kind, table in tables.items():
            landed = self._landed[kind]
            days = [day for day in table.behind(landed) if day < self._oldest]
            self.too_late += [(f"{kind}s", day) for day in days]
            self.newly_too_late += [(f"{kind}s", day) for day in table.judge(landed, days)]

    def requests(self, last_online: date | None) -> list[dg.RunRequest]:
        """The next step's runs; `last_online` is the last day that the online state was made of."""
        if self._cursor.transactions.remade and (found := self._labels()):
            return found
        found = self._features(last_online) or self._quality()
        return found or self._transactions() or self._labels() or self._predictions()

    def told(self) -> str:
        """Why nothing is requested."""
        if not self.too_late:
            return "every made day holds what was landed for it"
        days = ", ".join(f"{name} of {day}" for name, day in self.too_late[:20])
        return (
            f"{len(self.too_late)} days stay as they are, as rows were landed for them more than "
            f"ingest.late_days = {self._settings.ingest.late_days} days after them: {days}"
        )

    def _transactions(self) -> list[dg.RunRequest]:
        table = self._cursor.transactions
        days = self._fresh("transaction", table)
        return _runs(LATE_JOB, [raw_transactions], days, lambda day: self._mark(table, day))

    def _labels(self) -> list[dg.RunRequest]:
        """Label days with more labels landed, and those that speak of transactions made again."""
        transactions, table = self._cursor.transactions, self._cursor.labels
        remade = transactions.remade
        self._cursor.relabelled |= remade
        transactions.remade = set()
        lookback = self._settings.labels.lookback_days
        days = {*self._fresh("label", table), *relabelled_days(self._lake, remade, lookback)}
        cause = transactions.last_record(remade)
        return _runs(
            FOLLOWS_JOB,
            [transaction_labels],
            days,
            lambda day: f"{self._mark(table, day)}>{cause}",
        )

    def _predictions(self) -> list[dg.RunRequest]:
        """Days with more decisions landed."""
        table = self._cursor.predictions
        days = self._fresh("prediction", table)
        return _runs(FOLLOWS_JOB, [prediction_log], days, lambda day: self._mark(table, day))

    def _features(self, last_online: date | None) -> list[dg.RunRequest]:
        raw, labels = self._cursor.relabelled, self._cursor.labels.remade
        self._cursor.relabelled, self._cursor.labels.remade = set(), set()
        self._cursor.unjudged |= labels | self._cursor.predictions.remade
        self._cursor.predictions.remade = set()
        following = following_days(raw, labels, self._settings.labels.lookback_days)
        if not following:
            return []
        cause = max(
            self._cursor.transactions.last_record(raw), self._cursor.labels.last_record(labels)
        )
        made = following.intersection(days_with_rows(self._lake, TRANSACTION_FEATURES))
        online = following.intersection([last_online])
        return [
            *_runs(FOLLOWS_JOB, FEATURES, made, lambda _day: str(cause)),
            *_runs(FOLLOWS_JOB, [online_features], online, lambda _day: str(cause)),
        ]

    def _quality(self) -> list[dg.RunRequest]:
        """Judged days among those whose reports hold the decisions or labels made again."""
        days, self._cursor.unjudged = self._cursor.unjudged, set()
        tables = (self._cursor.labels, self._cursor.predictions)
        cause = max(table.last_record(days) for table in tables)
        reach = range(self._settings.labels.maturity_days + 1)
        held = {day + timedelta(days=after) for day in days for after in reach}
        judged = [day for day in held if (self._settings.quality_dir / f"{day}.json").exists()]
        return _runs(FOLLOWS_JOB, [prediction_quality], judged, lambda _day: str(cause))

    def _fresh(self, kind: str, table: TableDays) -> list[date]:
        landed = self._landed[kind]
        return table.judge(landed, [day for day in table.behind(landed) if day >= self._oldest])

    @staticmethod
    def _mark(table: TableDays, day: date) -> str:
        made = table.made.get(day)
        return f"{made.judged or made.landed_rows}@{made.record}" if made else ""


def _runs(
    job: str,
    assets: Sequence[dg.AssetsDefinition],
    days: Iterable[date],
    mark: Callable[[date], str],
) -> list[dg.RunRequest]:
    """One run for each range of days; the marks say in its key what the day is made again for."""
    name = assets[-1].key.to_user_string()
    return [
        dg.RunRequest(
            run_key=f"{name} {first} to {last}: "
            + " ".join(dict.fromkeys(map(mark, days_between(first, last + timedelta(days=1))))),
            job_name=job,
            asset_selection=[asset.key for asset in assets],
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
        )
        for first, last in ranges(days)
    ]
