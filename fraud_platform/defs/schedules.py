"""When what runs: each day at 02:00 UTC the day before."""

import dagster as dg

daily_job = dg.define_asset_job(
    "daily",
    selection=dg.AssetSelection.all(),
    description="Everything of one day, from landing to the deployed model.",
)

daily_schedule = dg.build_schedule_from_partitioned_job(
    daily_job,
    name="daily_at_02_00",
    description="The day before, at 02:00 UTC: labels and late files of the day are in by then.",
    hour_of_day=2,
    minute_of_hour=0,
)
