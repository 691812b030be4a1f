"""`transaction_labels`: what became known on a day, and of which transaction."""

from datetime import timedelta

import dagster as dg
import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import days_between
from fraud_platform.contracts.quality import (
    LABEL_RULES,
    Outcome,
    Rule,
    TransactionLabels,
    check_frame,
)
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.landed_events import landed_events
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.raw_transactions import raw_transactions
from fraud_platform.defs.resources import Platform
from fraud_platform.lake.days import LANDED_LABEL, attach_transactions
from fraud_platform.settings import load_settings

LOOKBACK_DAYS = load_settings().labels.lookback_days
MATCHED = Rule(
    "transaction_known",
    f"Each label's transaction is in the lake, at most {LOOKBACK_DAYS} days back.",
    blocking=False,
)


@dg.asset(
    deps=[
        landed_events,
        dg.AssetDep(raw_transactions, partition_mapping=days_before(LOOKBACK_DAYS)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="tables",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake", "polars", "pandera"},
    metadata=metadata.columns(TRANSACTION_LABELS),
    check_specs=checks.specs("transaction_labels", (*LABEL_RULES, MATCHED)),
)
def transaction_labels(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult:
    """The labels that became known on each day, beside the transaction that they speak of.

    A day is the day from which a label was known, so labels of past payments change no past day.
    """
    start, end = (moment.date() for moment in window(context))
    landed = platform.lake.read(
        LANDED_EVENTS, start, end, columns=LANDED_LABEL, where=ds.field("kind") == "label"
    )
    transactions = platform.lake.read(RAW_TRANSACTIONS, start - timedelta(days=LOOKBACK_DAYS), end)
    frame = attach_transactions(landed, transactions)
    unknown = frame.filter(pl.col("timestamp_us").is_null())
    outcomes = [
        *check_frame(frame, TransactionLabels, LABEL_RULES),
        Outcome(
            MATCHED,
            unknown.height,
            unknown.head(20)
            .select(pl.col("event_date").cast(pl.String), "transaction_id")
            .to_dicts(),
        ),
    ]
    results = checks.enforce(context, outcomes)
    version = platform.lake.replace_days(TRANSACTION_LABELS, start, end, frame)
    made = frame.group_by("event_date").agg(pl.len(), pl.col("is_fraud").sum())
    rows = {day: (labels, frauds) for day, labels, frauds in made.iter_rows()}
    of_day = dict(landed.group_by("event_date").len().iter_rows())
    # A day without labels is told too: one that comes late is then known to have been missing.
    metadata.describe_days(
        context,
        {
            day: {
                "dagster/row_count": rows.get(day, (0, 0))[0],
                "frauds": rows.get(day, (0, 0))[1],
                metadata.LANDED_ROWS: of_day.get(day, 0),
            }
            for day in days_between(start, end)
        },
    )
    return dg.MaterializeResult(metadata={"delta_version": version}, check_results=results)
