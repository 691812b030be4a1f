"""A transaction's features found by its id; where it is instead if they aren't there."""

import re
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, Table
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.tables import features_table
from fraud_platform.ingest.quarantine import KEY, OPEN, read_records
from fraud_platform.lake.files import rows_by_day
from fraud_platform.lake.store import Lake

_EVER = (date.min, date.max)
_MAKE = "predictflow materialize --from {day} --to {day}"


def find_features(
    lake: Lake, catalogue: Catalogue, transaction_id: str, day: date | None = None
) -> dict[str, Any]:
    """The transaction's row of `transaction_features`; without a day all days are looked through.

    Raises PredictFlowError where there is none, saying what the lake does hold of it, and where
    several days have that id.
    """
    table = features_table(catalogue)
    start, end = _EVER if day is None else (day, day + timedelta(days=1))
    rows = lake.read(table, start, end, where=ds.field("transaction_id") == transaction_id)
    if rows.height == 1:
        return rows.row(0, named=True)
    if rows.height:
        days = ", ".join(str(found) for found in rows["event_date"])
        raise PredictFlowError(
            f"several days have a transaction {transaction_id}: {days}; say which with --day"
        )
    made = list(rows_by_day(lake, table, start, end))
    looked = f"of {made[0]} to {made[-1]}" if made else "which has no rows"
    if day is not None:
        looked = f"of {day}" + ("" if made else ", which has no rows")
    raise PredictFlowError(
        f"transaction {transaction_id} isn't in {table.name} {looked}; "
        + _whereabouts(lake, table, transaction_id)
    )


def _whereabouts(lake: Lake, features: Table, transaction_id: str) -> str:
    """One sentence: the farthest that a transaction came on its way to its features."""
    mine = ds.field("transaction_id") == transaction_id
    for table, says in (
        (features, "its features are those of {day}: say --day {day}"),
        (RAW_TRANSACTIONS, f"its day {{day}} is made, its features aren't: `{_MAKE}`"),
    ):
        found = lake.read(table, *_EVER, columns=["event_date"], where=mine)
        if found.height:
            return says.format(day=found["event_date"][0])
    landed = lake.read(
        LANDED_EVENTS, *_EVER, columns=["kind", "event_date", "source", "offset"], where=mine
    )
    for kind, day, source, offset in landed.sort("kind", descending=True).iter_rows():
        if kind == "transaction":
            return (
                f"it is landed from {source} (record {offset}) and its day isn't made with it: "
                f"`{_MAKE.format(day=day)}`"
            )
        if kind == "label":
            return f"only a label of it is landed, from {source} (record {offset})"
    return _quarantined(lake, transaction_id) or (
        "nor is it in raw_transactions, landed_events or the quarantine: has it been sent?"
    )


def _quarantined(lake: Lake, transaction_id: str) -> str | None:
    """Rejected records are kept as bytes, so what is looked for is the id as a word of them."""
    escaped = re.escape(transaction_id)
    # PyArrow makes its functions when it is imported, where pyright doesn't see them.
    match = pc.match_substring_regex  # pyright: ignore[reportAttributeAccessIssue]
    named = match(ds.field("raw"), rf"(^|[^\w-]){escaped}($|[^\w-])")
    rejected = lake.read(
        LANDED_EVENTS, *_EVER, columns=[*KEY], where=(ds.field("kind") == "rejected") & named
    )
    if not rejected.height:
        return None
    record = read_records(lake).join(rejected.select(KEY), on=KEY, how="semi")
    state = "open" if record.filter(OPEN).height else str(record["resolution"][0])
    id_, reason = record.select("id", "reason").row(0)
    return (
        f"a record of the quarantine names it ({state}): {reason}; `predictflow quarantine show "
        f"{id_}` shows it"
    )
