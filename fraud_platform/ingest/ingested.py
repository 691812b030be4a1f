"""What an ingestion from Kafka did, for people, Dagster and Prometheus."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from fraud_platform.ingest.contract_decoder import TYPE_CHANGED
from fraud_platform.ingest.rows import count_days, count_reasons

REMEMBERED = 1_000_000


@dataclass
class Ingested:
    """Counts of rows that this process landed, and where each partition stands.

    `duplicates` are transactions whose id is among the last million that this process landed;
    `late` ones were landed after their day's end, `too_late` more than `late_days` after it.
    `commit_seconds` went into writing the lake, `batch_seconds` from first records to commits.
    `positions` and `lag` are by `topic/partition`, in records.
    """

    transactions: int = 0
    labels: int = 0
    predictions: int = 0
    rejected: int = 0
    type_changed: int = 0
    duplicates: int = 0
    late: int = 0
    too_late: int = 0
    commits: int = 0
    rebalances: int = 0
    superseded: int = 0
    commit_seconds: float = 0.0
    batch_seconds: float = 0.0
    new_fields: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    positions: dict[str, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Everything by name, as JSON takes it."""
        days = {day.isoformat(): count for day, count in sorted(self.days.items())}
        return {**vars(self), "days": days, "reasons": dict(self.reasons.most_common())}


class Counting:
    """Counts what is landed; holds the hashes of the last million transaction ids (8 MiB)."""

    def __init__(self, late_days: int) -> None:
        self._late = timedelta(days=late_days)
        self._seen = pl.Series(dtype=pl.UInt64)

    def count(
        self, into: Ingested, rows: pl.DataFrame, commit_seconds: float, batch_seconds: float
    ) -> Ingested:
        """Adds one commit's rows to the counts; returns the counts of this commit alone."""
        kinds = dict(rows.group_by("kind").len().iter_rows())
        transactions = rows.filter(pl.col("kind") == "transaction")
        rejected = rows.filter(pl.col("kind") == "rejected")["reason"]
        today = datetime.now(UTC).date()
        day = transactions["event_date"]
        one = Ingested(
            transactions=transactions.height,
            labels=kinds.get("label", 0),
            predictions=kinds.get("prediction", 0),
            rejected=rejected.len(),
            type_changed=int(rejected.str.starts_with(TYPE_CHANGED).sum()),
            duplicates=self._duplicates(transactions["transaction_id"]),
            late=int((day < today).sum()),
            too_late=int((day < today - self._late).sum()),
            commits=1,
            commit_seconds=commit_seconds,
            batch_seconds=batch_seconds,
            new_fields=rows.filter(pl.col("kind") == "schema")["reason"].to_list(),
            reasons=count_reasons(rejected),
            days=Counter(count_days(transactions)),
        )
        for name, value in vars(one).items():
            if isinstance(value, int | float):
                setattr(into, name, getattr(into, name) + value)
        into.new_fields += one.new_fields
        into.reasons.update(one.reasons)
        into.days.update(one.days)
        return one

    def _duplicates(self, ids: pl.Series) -> int:
        hashes = ids.hash()
        fresh = hashes.unique()
        known = int(fresh.is_in(self._seen.implode()).sum())
        self._seen = pl.concat([self._seen, fresh]).tail(REMEMBERED)
        return ids.len() - fresh.len() + known
