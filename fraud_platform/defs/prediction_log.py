"""`prediction_log`: what the service decided on a day, with everything to decide it again."""

import dagster as dg
import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import days_between
from fraud_platform.contracts.quality import PREDICTION_RULES, PredictionLog, check_frame
from fraud_platform.contracts.tables import LANDED_EVENTS, PREDICTION_LOG
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.landed_events import landed_events
from fraud_platform.defs.partitions import daily, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.lake.predictions import prediction_rows


@dg.asset(
    deps=[landed_events],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="tables",
    owners=metadata.DATA_TEAM,
    kinds={"deltalake", "polars", "pandera"},
    metadata=metadata.columns(PREDICTION_LOG),
    check_specs=checks.specs("prediction_log", PREDICTION_RULES),
)
def prediction_log(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """The service's decisions of each day, one row per decision_id; a day may have none.

    Of a decision landed twice (Kafka was slow to confirm it, so it is in the files too) one is
    taken. `predictflow decisions replay` computes one again from its row.
    """
    start, end = (moment.date() for moment in window(context))
    landed = platform.lake.read(
        LANDED_EVENTS,
        start,
        end,
        columns=["event_date", "raw"],
        where=ds.field("kind") == "prediction",
    )
    frame = prediction_rows(landed)
    results = checks.enforce(context, check_frame(frame, PredictionLog, PREDICTION_RULES))
    version = platform.lake.replace_days(PREDICTION_LOG, start, end, frame)
    made = frame.group_by("event_date").agg(pl.len(), pl.col("is_fraud", "degraded").sum())
    rows = {day: counts for day, *counts in made.iter_rows()}
    of_day = dict(landed.group_by("event_date").len().iter_rows())
    metadata.describe_days(
        context,
        {
            day: dict(
                zip(
                    ("dagster/row_count", "frauds", "degraded"),
                    rows.get(day, (0, 0, 0)),
                    strict=True,
                )
            )
            | {metadata.LANDED_ROWS: of_day.get(day, 0)}
            for day in days_between(start, end)
        },
    )
    return dg.MaterializeResult(
        metadata={"duplicates": landed.height - frame.height, "delta_version": version},
        check_results=results,
    )
