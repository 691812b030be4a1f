"""Which differences between a served vector and the lake's a state that was behind explains.

The online state that a decision read holds what was there up to a moment, its `as_of`. A feature
can be another one in the lake only where something that it is made of came between that moment and
the payment, or was landed after the decision. Where nothing did, the same state would have to give
the same bits, and no freshness explains a difference.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Literal

import numpy as np
import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, HOUR_US, day_of
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.declarations import Key, LabelFeature
from fraud_platform.features.declared import FIELDS, key_of
from fraud_platform.features.plan import Catalogue
from fraud_platform.lake.store import Lake


@dataclass(frozen=True)
class Source:
    """What a feature is made of: a key's payments, or (`maturity` in days) its labels."""

    key: Key
    maturity: int | None = None


def sources_of(catalogue: Catalogue, name: str) -> frozenset[Source]:
    """What a feature is made of beside the transaction itself; nothing for one of the request."""
    if name in FIELDS:
        return frozenset()
    feature = catalogue[name]
    key = key_of(feature)
    maturity = feature.maturity if isinstance(feature, LabelFeature) else None
    own = frozenset[Source]() if key is None else frozenset({Source(key, maturity)})
    return own.union(*(sources_of(catalogue, other) for other in feature.needs))


class Freshness:
    """The payments and labels that decisions of a day's payments may not have known of.

    `rows` are the decisions: `as_of_us` (null where the store knew neither user nor merchant, or
    the time from which on nothing is sure), decided_us, timestamp_us, user_id and merchant_id.
    """

    def __init__(self, lake: Lake, catalogue: Catalogue, rows: pl.DataFrame) -> None:
        self._lake, self._catalogue = lake, catalogue
        self._rows = rows.with_columns(pl.col("as_of_us").fill_null(0)).with_row_index("row")
        self._behind, self._late = cache(self._find_behind), cache(self._find_late)

    def explains(self, name: str, differs: np.ndarray) -> np.ndarray:
        """Which of the rows where a feature `differs` have it from a state behind; bool (rows,)."""
        found = np.zeros_like(differs)
        for look in (self._behind, self._late):
            for source in sources_of(self._catalogue, name):
                if (differs & ~found).any():
                    found |= look(source)
        return differs & found

    def _of(self, source: Source) -> pl.DataFrame:
        return self._rows.with_columns(before_us=_before(source)).select(
            "row", source.key, "as_of_us", "decided_us", "before_us"
        )

    def _find_behind(self, source: Source) -> np.ndarray:
        """Whether something came after the state and before the payment."""
        rows = self._of(source)
        came = self._came(source, rows)
        last = rows.sort("before_us").join_asof(
            came.sort("at_us"),
            left_on="before_us",
            right_on="at_us",
            by=source.key,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        behind = np.zeros(rows.height, dtype=bool)
        behind[last.filter(pl.col("at_us") >= pl.col("as_of_us"))["row"].to_numpy()] = True
        return behind

    def _find_late(self, source: Source) -> np.ndarray:
        """Whether something of before the payment was landed only after the decision."""
        rows = self._of(source)
        landed = self._landed(source, rows)
        pairs = rows.join(landed, on=source.key).filter(
            (pl.col("at_us") < pl.col("before_us"))
            & (pl.col("landed_at_us") > pl.col("decided_us"))
        )
        late = np.zeros(rows.height, dtype=bool)
        late[pairs["row"].unique().to_numpy()] = True
        return late

    def _came(self, source: Source, rows: pl.DataFrame) -> pl.DataFrame:
        """The key's payments, or its labels, since the oldest state: key and `at_us`."""
        first, end = self._span(source, rows, _extreme(rows, "as_of_us", "min"))
        return self._events(source, rows, first, end).drop("transaction_id")

    def _landed(self, source: Source, rows: pl.DataFrame) -> pl.DataFrame:
        """The same of all that was landed after the first decision, with `landed_at_us`."""
        first, end = self._span(source, rows, 0)
        since = ds.field("landed_at_us") > _extreme(rows, "decided_us", "min")
        kind = ds.field("kind") == ("transaction" if source.maturity is None else "label")
        names = ["transaction_id", "landed_at_us"]
        landed = self._lake.read(LANDED_EVENTS, first, end, columns=names, where=kind & since)
        if landed.is_empty():
            return pl.DataFrame(schema={source.key: pl.String, "at_us": pl.Int64} | landed.schema)
        return self._events(source, rows, first, end).join(landed, on="transaction_id")

    def _events(self, source: Source, rows: pl.DataFrame, first: date, end: date) -> pl.DataFrame:
        """transaction_id, key and `at_us` of the payments or labels of the rows' keys."""
        table, names = RAW_TRANSACTIONS, ["transaction_id", source.key, "timestamp_us"]
        at_us = pl.col("timestamp_us")
        if source.maturity is not None:
            table, names = TRANSACTION_LABELS, [*names, "labelled_at_us"]
            # Once it is known, and its transaction old enough.
            at_us = pl.max_horizontal("labelled_at_us", at_us + source.maturity * DAY_US)
        mine = self._lake.read_among(
            table, first, end, rows.select(source.key).unique(), columns=names
        )
        return mine.select("transaction_id", source.key, at_us=at_us)

    def _span(self, source: Source, rows: pl.DataFrame, oldest_us: int) -> tuple[date, date]:
        """First day to read, and the day after the last: no further back than features look."""
        last = day_of(_extreme(rows, "before_us", "max"))
        history = self._catalogue.history_days
        if source.maturity is not None:
            history = self._catalogue.label_history_days
        oldest = day_of(oldest_us) - timedelta(days=source.maturity or 0)
        return max(oldest, last - timedelta(days=history + 1)), last + timedelta(days=1)


def _before(source: Source) -> pl.Expr:
    """Up to when (exclusive) what came counts for a payment."""
    paid = pl.col("timestamp_us")
    if source.maturity is not None:  # the state may also be an hour ahead of the payment
        latest = pl.max_horizontal(paid, "decided_us")
        return latest - latest % HOUR_US
    # A merchant's windows are of full days before today.
    return paid if source.key == "user_id" else paid - paid % DAY_US


def _extreme(rows: pl.DataFrame, name: str, which: Literal["min", "max"]) -> int:
    return rows.select(getattr(pl.col(name), which)()).item()
