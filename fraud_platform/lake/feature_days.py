"""The tables of the catalogue made from the lake, a range of days at a time.

A long range is made in parts of a few million rows, so that memory is bounded by a part and not by
the range; each part is one commit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS, Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.look_back import LookBack
from fraud_platform.features.measures import Tiles
from fraud_platform.features.offline import (
    Rows,
    compute_event_tiles,
    compute_features,
    compute_habits,
    compute_label_days,
    compute_label_tiles,
    compute_look_back,
)
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.sql import look_backs
from fraud_platform.features.tables import (
    features_table,
    habits_table,
    look_back_table,
    tile_table,
)
from fraud_platform.lake.files import chunks, day_files, read_files, rows_by_day
from fraud_platform.lake.store import Lake

PART_ROWS = 3_000_000
"""Transactions of a part; a day with more of them is a part of its own."""

Part = tuple[date, date]


@dataclass(frozen=True)
class FeatureDays:
    """Makes the catalogue's tables; `start` and `end` are the first day and the one after the last.

    Each method gives frames that are not written yet. Raises PredictFlowError where a day that is
    looked back on isn't made.
    """

    lake: Lake
    catalogue: Catalogue

    def parts(self, start: date, end: date, table: Table = RAW_TRANSACTIONS) -> Iterator[Part]:
        """The parts that a range is made in."""
        return chunks(rows_by_day(self.lake, table, start, end), start, end, PART_ROWS)

    def daily_tiles(self, start: date, end: date) -> dict[Tiles, pl.DataFrame]:
        """The daily tiles of the raw transactions."""
        raw = self._rows(RAW_TRANSACTIONS, start, end)
        return {tiles: compute_event_tiles(tiles, raw, start, end) for tiles in self.event_tiles(1)}

    def look_backs(self, start: date, end: date) -> list[tuple[LookBack, pl.DataFrame]]:
        """What the tiles of the days before say of each user of a day."""
        reach = timedelta(days=self.catalogue.history_days)
        raw = self._rows(RAW_TRANSACTIONS, start, end)
        return [
            (
                found,
                compute_look_back(
                    found, raw, self._event_tiles(found.tiles, start - reach, end), start, end
                ),
            )
            for found in look_backs(self.catalogue)
        ]

    def habits(
        self, start: date, end: date, made: Iterable[tuple[LookBack, pl.DataFrame]]
    ) -> pl.DataFrame:
        """The transactions with what others look back on; `made` is of `look_backs`."""
        reach = timedelta(days=self.catalogue.history_days)
        relations: dict[str, Rows] = {
            tiles.name: self._event_tiles(tiles, start - reach, end)
            for tiles in self.event_tiles(1)
        }
        relations |= {found.name: frame for found, frame in made}
        since = start - timedelta(days=1 if self.catalogue.slides else 0)
        relations["transactions"] = self._rows(RAW_TRANSACTIONS, since, end)
        return compute_habits(self.catalogue, relations, start, end)

    def habit_tiles(
        self, habits: pl.DataFrame, start: date, end: date
    ) -> dict[Tiles, pl.DataFrame]:
        """The daily tiles of what `habits` gave."""
        return {
            tiles: compute_event_tiles(tiles, habits, start, end) for tiles in self.event_tiles(2)
        }

    def label_tiles(self, start: date, end: date) -> dict[Tiles, pl.DataFrame]:
        """The tiles, by hour and by day, of the labels that became known."""
        spoken_of = self.lake.dataset(TRANSACTION_LABELS, start, end).to_table(["timestamp_us"])
        times = pl.Series(spoken_of["timestamp_us"])
        return self._label_tiles(self._rows(TRANSACTION_LABELS, start, end), times, start, end)

    def tiles_of_labels(
        self, labels: pl.DataFrame, start: date, end: date
    ) -> dict[Tiles, pl.DataFrame]:
        """The tiles of such rows of `transaction_labels`."""
        return self._label_tiles(labels, labels["timestamp_us"], start, end)

    def _label_tiles(
        self, labels: Rows, times: pl.Series, start: date, end: date
    ) -> dict[Tiles, pl.DataFrame]:
        # Only the days that the labels speak of are looked up.
        of_days = (times.drop_nulls() // DAY_US).unique()
        habits = self._days(habits_table(self.catalogue), of_days.to_list())
        made = {
            tiles: compute_label_tiles(self.catalogue, tiles, labels, habits, start, end)
            for key in KEYS
            if (tiles := self.catalogue.label_tiles(key))
        }
        by_day = {
            self.catalogue.label_days(tiles): compute_label_days(self.catalogue, tiles, frame)
            for tiles, frame in made.items()
        }
        return made | by_day

    def features(self, start: date, end: date) -> pl.DataFrame:
        """The feature rows."""
        catalogue = self.catalogue
        habits = habits_table(catalogue)
        since = start - timedelta(days=1 if catalogue.slides else 0)
        self._check_habits(since, end)
        reach = timedelta(days=catalogue.history_days)
        relations: dict[str, Rows] = {"transactions": self._rows(habits, since, end)}
        for tiles in self.event_tiles(1):
            relations[tiles.name] = self._event_tiles(tiles, start - reach, end)
        for found in look_backs(catalogue):
            relations[found.name] = self._look_back(found, start, end)
        for tiles in self.event_tiles(2):
            relations[tiles.name] = self._rows(tile_table(tiles), start - reach, end)
        since = start - timedelta(days=catalogue.label_history_days)
        for key in KEYS:
            if hourly := catalogue.label_tiles(key):
                for tiles in (hourly, catalogue.label_days(hourly)):
                    relations[tiles.name] = self._tiles(
                        tiles, since, end, TRANSACTION_LABELS, "label_tiles"
                    )
        frame = compute_features(catalogue, relations, start, end)
        return frame.select(features_table(catalogue).schema.names)

    def event_tiles(self, level: int) -> list[Tiles]:
        """The tables of daily tiles of a level."""
        found = (self.catalogue.event_tiles(key, level) for key in KEYS)
        return [tiles for tiles in found if tiles]

    def _rows(self, table: Table, start: date, end: date) -> Rows:
        files = read_files(self.lake, table, start, end)
        return self.lake.dataset(table, start, end) if files is None else files

    def _days(self, table: Table, days: Sequence[int]) -> Rows:
        epoch = date(1970, 1, 1)
        wanted = [epoch + timedelta(days=day) for day in sorted(days)]
        if not wanted:
            return ds.dataset(table.schema.empty_table())
        first, end = wanted[0], wanted[-1] + timedelta(days=1)
        files = read_files(self.lake, table, first, end)
        if files is None:
            return self.lake.dataset(table, first, end, where=ds.field("event_date").isin(wanted))
        named = tuple(f"event_date={day}" for day in wanted)
        return type(files)(table, tuple(p for p in files.paths if any(n in p for n in named)))

    def _event_tiles(self, tiles: Tiles, start: date, end: date) -> Rows:
        return self._tiles(tiles, start, end, RAW_TRANSACTIONS, "daily_tiles")

    def _tiles(self, tiles: Tiles, start: date, end: date, made_of: Table, asset: str) -> Rows:
        """Tiles of a range, made for each day that has rows, with all of today's measures."""
        table = tile_table(tiles)
        if tiles.measures:
            whole = self._whole_days(table, [m.name for m in tiles.measures], start, end)
            if missing := set(rows_by_day(self.lake, made_of, start, end)) - whole:
                self._refuse(asset, missing, table.name)
        return self._rows(table, start, end)

    def _look_back(self, look_back: LookBack, start: date, end: date) -> Rows:
        table = look_back_table(look_back)
        # Without another id only the days before count, of which there may be none.
        there = rows_by_day(self.lake, RAW_TRANSACTIONS if look_back.other else table, start, end)
        if missing := set(there) - self._whole_days(table, list(look_back.columns), start, end):
            self._refuse("transaction_habits", missing, table.name)
        return self._rows(table, start, end)

    def _whole_days(self, table: Table, names: list[str], start: date, end: date) -> set[date]:
        """The days that are there with all of these columns."""
        files = day_files(self.lake, table).filter(
            pl.col("event_date").is_between(start, end, "left")
        )
        old = files.filter(pl.any_horizontal(pl.col(name).is_null() for name in names))
        return set(files["event_date"]) - set(old["event_date"])

    def _check_habits(self, start: date, end: date) -> None:
        table = habits_table(self.catalogue)
        raw = rows_by_day(self.lake, RAW_TRANSACTIONS, start, end)
        made = rows_by_day(self.lake, table, start, end)
        missing = {day for day, rows in raw.items() if made.get(day) != rows}
        if missing:
            self._refuse("transaction_habits", missing, table.name)

    @staticmethod
    def _refuse(asset: str, missing: set[date], table: str) -> None:
        days = ", ".join(str(day) for day in sorted(missing)[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise PredictFlowError(
            f"table {table} lacks days that are looked back on, or holds them for another "
            f"catalogue: {days}{more}; materialize {asset} for {min(missing)} to {max(missing)}"
        )
