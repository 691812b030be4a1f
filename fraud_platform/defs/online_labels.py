"""`online_labels`: what is known of merchants' labels, hour by hour."""

from datetime import UTC, datetime

import dagster as dg

from fraud_platform import progress
from fraud_platform.clock import HOUR_US, from_us, to_us
from fraud_platform.defs import checks, metadata
from fraud_platform.defs.label_tiles import label_tiles
from fraud_platform.defs.landed_events import landed_events
from fraud_platform.defs.partitions import retry
from fraud_platform.defs.resources import Platform
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.lake.online_state import OnlineState


class AsOf(dg.Config):
    """For which hour; by default the one that runs."""

    as_of: str | None = None
    """A moment with a zone, such as 2026-03-01T10:00:00Z; figures are as of its full hour."""


@dg.asset(
    deps=[landed_events, label_tiles],
    retry_policy=retry,
    group_name="features",
    owners=metadata.ML_TEAM,
    kinds={"feast"},
)
def online_labels(config: AsOf, platform: Platform) -> dg.MaterializeResult:
    """The label figures as of the full hour, written to the Feast online store.

    A label counts from the hour after it was known, so that is as fresh as a feature may be.
    """
    from feature_repo.write import write_view  # noqa: PLC0415 - Feast takes seconds to import

    asked = datetime.fromisoformat(config.as_of) if config.as_of else datetime.now(UTC)
    as_of_us = to_us(asked) // HOUR_US * HOUR_US
    settings, moment = platform.settings, from_us(as_of_us)
    rows: dict[str, int] = {}
    with checks.explained():
        state = OnlineState(platform.lake, CATALOGUE)
        for view, frame in state.of_labels(as_of_us, settings.labels.lookback_days):
            write_view(
                settings,
                view,
                frame,
                moment,
                lambda done, total, name=view.name: progress.report(f"online {name}", done, total),
            )
            rows[view.name] = frame.height
    return dg.MaterializeResult(metadata={"as_of": moment.isoformat(), **rows})
