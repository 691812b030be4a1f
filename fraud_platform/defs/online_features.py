"""`online_features`: what the service needs to know of users and merchants at the day's end."""

import dagster as dg

from fraud_platform import progress
from fraud_platform.clock import day_start_us, from_us
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.partitions import daily, one_run, retry, window
from fraud_platform.defs.resources import Platform
from fraud_platform.defs.transaction_features import HISTORY
from fraud_platform.features.snapshot import merchant_states, user_states
from fraud_platform.features.state import MERCHANT_LABELS, USER_DAILY, USER_RECENT


@dg.asset(
    deps=HISTORY,
    partitions_def=daily,
    backfill_policy=one_run,
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"feast", "sqlite"},
)
def online_features(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """The online state as of the end of the (last) day, written to the Feast online store.

    The whole state is written each time, so a missed day heals with the next one. A store that is
    already at a later day is left as it is: a backfill of old days never sets it back.
    """
    from feature_repo.store import apply  # noqa: PLC0415 - Feast takes seconds to import
    from feature_repo.write import write_view, written_as_of  # noqa: PLC0415

    end = window(context)[1].date()
    settings, moment = platform.settings, from_us(day_start_us(end))
    with checks.explained():
        apply(settings)
        current = written_as_of(settings, USER_DAILY)
        if current is not None and current > moment:
            return dg.MaterializeResult(
                metadata={"written": False, "store_is_at": current.isoformat()}
            )
        recent, known = user_states(platform.lake, end)
        views = {
            USER_RECENT: recent,
            USER_DAILY: known,
            MERCHANT_LABELS: merchant_states(platform.lake, day_start_us(end)),
        }
        for view, rows in views.items():
            write_view(
                settings,
                view,
                rows,
                moment,
                lambda done, total, name=view.name: progress.report(f"online {name}", done, total),
            )
    return dg.MaterializeResult(
        metadata={
            "written": True,
            "as_of": moment.isoformat(),
            **{view.name: len(rows) for view, rows in views.items()},
        }
    )
