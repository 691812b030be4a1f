"""`online_features`: what the service needs to know of users and merchants at the day's end."""

import dagster as dg

from fraud_platform import progress
from fraud_platform.clock import day_start_us, from_us
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.daily_tiles import daily_tiles
from fraud_platform.defs.partitions import daily, days_before, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_habits import transaction_habits
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.online_state import OnlineState


@dg.asset(
    deps=[
        dg.AssetDep(daily_tiles, partition_mapping=days_before(CATALOGUE.history_days)),
        dg.AssetDep(transaction_habits, partition_mapping=days_before(CATALOGUE.history_days)),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"feast"},
)
def online_features(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """The online state as of the end of the (last) day, written to the Feast online store.

    The whole state is written each time, so a missed day heals with the next one. A store that is
    already at a later day is left as it is: a backfill of old days never sets it back. Where a
    stream keeps users' recent events (online.recent_by), those are left to it; where the service
    does, what it recorded stays beside what is in the lake.
    """
    from feature_repo.write import write_view, written_as_of  # noqa: PLC0415 - Feast takes seconds

    end = window(context)[1].date()
    settings, moment = platform.settings, from_us(day_start_us(end))
    rows: dict[str, int] = {}
    with checks.explained():
        for view, frame in OnlineState(platform.lake, CATALOGUE).of_events(
            end, recent=settings.online.recent_by != "stream"
        ):
            current = written_as_of(settings, view)
            if current is not None and current > moment:
                continue
            write_view(
                settings,
                view,
                frame,
                moment,
                lambda done, total, name=view.name: progress.report(f"online {name}", done, total),
            )
            rows[view.name] = frame.height
    return dg.MaterializeResult(metadata={"as_of": moment.isoformat(), **rows})
