"""The small world, landed in two parts: what came in time, and what came late."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

MATURITY = timedelta(days=7)


@dataclass(frozen=True)
class LateWorld:
    """Transactions and labels by file. Of `late_days` a fifth of the transactions, and of
    `late_label_days` a fifth of the labels came late; of `too_late_day` it is transactions."""

    frame: pl.DataFrame
    late_days: tuple[date, ...]
    late_label_days: tuple[date, ...]
    too_late_day: date

    def write(self, folder: Path) -> dict[str, Path]:
        """The files by name: `in_time`, `late` and `too_late`, and labels for the first two."""
        folder.mkdir(parents=True, exist_ok=True)
        day = pl.col("timestamp").dt.date()
        labels = self.frame.select(
            "transaction_id", "is_fraud", labelled_at=pl.col("timestamp") + MATURITY
        )
        label_day = pl.col("labelled_at").dt.date()
        fifth = pl.col("transaction_id").hash(seed=1) % 5 == 0
        late = day.is_in(self.late_days) & fifth
        too_late = (day == self.too_late_day) & fifth
        late_label = label_day.is_in(self.late_label_days) & fifth
        transactions = self.frame.drop("is_fraud")
        parts = {
            "in_time": transactions.filter(~late & ~too_late),
            "late": transactions.filter(late),
            "too_late": transactions.filter(too_late),
            "labels_in_time": labels.filter(~late_label),
            "labels_late": labels.filter(late_label),
        }
        for name, part in parts.items():
            assert part.height
            part.write_parquet(folder / f"{name}.parquet")
        return {name: folder / f"{name}.parquet" for name in parts}


def land_parts(settings: Settings, *paths: Path) -> Lake:
    """Lands files of transactions and, by their names, of labels."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lake = Lake(settings.lake_dir)
    for path in paths:
        kind = "labels" if path.stem.startswith("labels") else "transactions"
        land(settings, lake, path, FieldMap(kind), lambda *_: None)
    return lake


def late_days_until(day: date) -> int:
    """The setting ingest.late_days with which `day` is the last that isn't too late."""
    return (datetime.now(UTC).date() - day).days
