"""`raw_transactions`: clean days, each transaction once."""

from dataclasses import replace

import dagster as dg
import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import days_between
from fraud_platform.contracts.quality import RAW_RULES, Outcome, RawTransactions, Rule, check_frame
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.landed_events import landed_events
from fraud_platform.defs.partitions import daily, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.lake.days import deduplicate
from fraud_platform.settings import load_settings

MEAN_AMOUNT = Rule(
    "mean_amount",
    "The mean amount of each day lies within the bounds set in [quality].",
    blocking=load_settings().quality.mean_amount_blocks,
)
HAS_ROWS = Rule("has_rows", "Every day has transactions.")


@dg.asset(
    deps=[landed_events],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="tables",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake", "polars", "pandera"},
    metadata=metadata.columns(RAW_TRANSACTIONS),
    check_specs=checks.specs("raw_transactions", (*RAW_RULES, HAS_ROWS, MEAN_AMOUNT)),
)
def raw_transactions(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Clean, validated transactions of each day, one row per transaction_id.

    Of the same transaction_id on a day the first landed wins; the rest are counted.
    """
    start, end = (moment.date() for moment in window(context))
    landed = platform.lake.read(
        LANDED_EVENTS,
        start,
        end,
        columns=RAW_TRANSACTIONS.schema.names,
        where=ds.field("kind") == "transaction",
    )
    frame = deduplicate(landed)
    days = (
        frame.group_by("event_date")
        .agg(rows=pl.len(), mean_amount=pl.col("amount_cents").mean() / 100)
        .sort("event_date")
    )
    present = set(days["event_date"])
    missing = [day for day in days_between(start, end) if day not in present]
    outcomes = [
        *check_frame(frame, RawTransactions, RAW_RULES),
        Outcome(HAS_ROWS, len(missing), [{"event_date": str(day)} for day in missing[:20]]),
        _mean_amount(days, platform),
    ]
    results = checks.enforce(context, outcomes)
    version = platform.lake.replace_days(RAW_TRANSACTIONS, start, end, frame)
    of_day = dict(landed.group_by("event_date").len().iter_rows())
    metadata.describe_days(
        context,
        {
            row["event_date"]: {
                "dagster/row_count": row["rows"],
                "mean_amount": round(row["mean_amount"], 2),
                metadata.LANDED_ROWS: of_day[row["event_date"]],
                "duplicates": of_day[row["event_date"]] - row["rows"],
            }
            for row in days.iter_rows(named=True)
        },
    )
    return dg.MaterializeResult(
        metadata={"duplicates": landed.height - frame.height, "delta_version": version},
        check_results=results,
    )


def _mean_amount(days: pl.DataFrame, platform: Platform) -> Outcome:
    quality = platform.settings.quality
    outside = days.filter(
        ~pl.col("mean_amount").is_between(quality.mean_amount_min, quality.mean_amount_max)
    )
    rows = [
        {
            "event_date": str(row["event_date"]),
            "found": round(row["mean_amount"], 2),
            "expected": f"{quality.mean_amount_min} to {quality.mean_amount_max}",
        }
        for row in outside.head(20).iter_rows(named=True)
    ]
    return Outcome(replace(MEAN_AMOUNT, blocking=quality.mean_amount_blocks), outside.height, rows)
