"""The online state as of a moment, from the lake: what `online_features` and a rebuild write."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, day_of, day_start_us, days_between
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.declarations import Key
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.snapshot import daily_rows, label_rows, recent_rows
from fraud_platform.features.state import RECENT_US, View, views
from fraud_platform.features.tables import habits_table, tile_table
from fraud_platform.lake.days import LANDED_LABEL, attach_transactions
from fraud_platform.lake.feature_days import FeatureDays
from fraud_platform.lake.files import rows_by_day
from fraud_platform.lake.store import Lake

_RECENT_DAYS = RECENT_US // DAY_US


@dataclass(frozen=True)
class OnlineState:
    """Rows of the online views, each a frame of the join key and the view's fields."""

    lake: Lake
    catalogue: Catalogue

    def of_events(self, end: date, *, recent: bool = True) -> Iterator[tuple[View, pl.DataFrame]]:
        """The daily views, and `user_recent` unless told not to, at the first moment of `end`.

        That one comes last: what was recorded after the tiles is computed again from them.
        """
        for view in views(self.catalogue):
            if view.name.endswith("_daily"):
                yield view, self.daily(view.join_key, end)
        if recent:
            yield views(self.catalogue)[0], self.recent(end)

    def recent(self, end: date) -> pl.DataFrame:
        """Rows of `user_recent`: the events of the 72 h before."""
        start = end - timedelta(days=_RECENT_DAYS)
        habits = self.lake.read(habits_table(self.catalogue), start, end)
        return recent_rows(self.catalogue, habits, day_start_us(end))

    def daily(self, key: Key, end: date) -> pl.DataFrame:
        """Rows of `user_daily` or `merchant_daily`: the full days before, as far as needed."""
        start = end - timedelta(days=self.catalogue.history_days)
        tiles = {
            table.name: self.lake.read(tile_table(table), start, end)
            for level in (1, 2)
            if (table := self.catalogue.event_tiles(key, level))
        }
        return daily_rows(self.catalogue, key, tiles, day_start_us(end))

    def of_labels(self, as_of_us: int, lookback_days: int) -> Iterator[tuple[View, pl.DataFrame]]:
        """The views of labels, with what was known before the hour that starts at `as_of_us`.

        Of days whose `label_tiles` aren't made yet (today is one) the landed labels are taken, each
        with its transaction of at most `lookback_days` before.
        """
        today = day_of(as_of_us)
        start = today - timedelta(days=self.catalogue.label_history_days)
        end = today + timedelta(days=1)
        made = rows_by_day(self.lake, TRANSACTION_LABELS, start, end)
        unmade = [day for day in days_between(start, end) if day > max(made, default=start)]
        landed = self._landed(unmade, lookback_days) if unmade else {}
        for view in views(self.catalogue):
            if view.name.endswith("_labels"):
                table = self.catalogue.label_tiles(view.join_key)
                assert table is not None
                tiles = self.lake.read(tile_table(table), start, end)
                if table.name in landed:
                    tiles = pl.concat([tiles, landed[table.name].select(tiles.columns)])
                yield view, label_rows(self.catalogue, view.join_key, tiles, as_of_us)

    def _landed(self, days: list[date], lookback_days: int) -> dict[str, pl.DataFrame]:
        """Label tiles of days that aren't made yet, from what is landed of them so far."""
        first, end = days[0], days[-1] + timedelta(days=1)
        landed = self.lake.read(
            LANDED_EVENTS, first, end, columns=LANDED_LABEL, where=ds.field("kind") == "label"
        )
        if landed.is_empty():
            return {}
        spoken_of = ds.field("transaction_id").isin(landed["transaction_id"].unique().to_list())
        transactions = self.lake.read(
            RAW_TRANSACTIONS, first - timedelta(days=lookback_days), end, where=spoken_of
        )
        labels = attach_transactions(landed, transactions)
        made = FeatureDays(self.lake, self.catalogue).tiles_of_labels(labels, first, end)
        return {tiles.name: frame for tiles, frame in made.items()}
