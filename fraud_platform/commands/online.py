"""`predictflow online`: the online store restored from the lake."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import perf_counter, time_ns

from fraud_platform import progress
from fraud_platform.clock import HOUR_US, day_start_us, from_us, to_us
from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.state import View
from fraud_platform.features.tables import TRANSACTION_HABITS
from fraud_platform.lake.counts import days_with_rows
from fraud_platform.lake.online_state import OnlineState
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings


@dataclass
class Rebuilt:
    """What was written: rows by view, as of when, in how many seconds."""

    events_as_of: datetime
    labels_as_of: datetime
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def run_rebuild(as_of: datetime | None, *, as_json: bool) -> None:
    with console.bars():
        rebuilt = rebuild(load_settings(), as_of)
    if as_json:
        console.emit(
            {
                "events_as_of": rebuilt.events_as_of.isoformat(),
                "labels_as_of": rebuilt.labels_as_of.isoformat(),
                "rows": rebuilt.rows,
                "seconds": rebuilt.seconds,
            }
        )
        return
    console.table("Rows written", ("view", "rows"), list(rebuilt.rows.items()))
    console.console.print(
        f"Events up to {rebuilt.events_as_of:%Y-%m-%d %H:%M}, labels up to "
        f"{rebuilt.labels_as_of:%Y-%m-%d %H:%M}, in {rebuilt.seconds:.1f} s"
    )


def rebuild(settings: Settings, as_of: datetime | None = None) -> Rebuilt:
    """Writes every view of the online store from the lake, as of a moment (default: now).

    Events are as of the end of the last day made by then, labels as of the moment's full hour.
    Raises PredictFlowError where the lake has no day to start from.
    """
    from feature_repo.write import write_view  # noqa: PLC0415 - Feast takes seconds to import

    begun, lake = perf_counter(), Lake(settings.lake_dir)
    moment_us = to_us(as_of or datetime.now(UTC))
    made = [
        day
        for day in days_with_rows(lake, TRANSACTION_HABITS)
        if day_start_us(day + timedelta(days=1)) <= moment_us
    ]
    if not made:
        raise PredictFlowError(
            "the lake has no day of transaction_habits to rebuild from; materialize "
            "raw_transactions, daily_tiles and transaction_habits first"
        )
    end: date = made[-1] + timedelta(days=1)
    hour_us = moment_us // HOUR_US * HOUR_US
    rebuilt = Rebuilt(from_us(day_start_us(end)), from_us(hour_us))
    state = OnlineState(lake, CATALOGUE)
    for views, written_as_of in (
        (state.of_events(end), rebuilt.events_as_of),
        (state.of_labels(hour_us, settings.labels.lookback_days), rebuilt.labels_as_of),
    ):
        for view, rows in views:
            write_view(
                settings,
                view,
                rows,
                recognisable(settings, view, written_as_of),
                lambda done, total, name=view.name: progress.report(f"online {name}", done, total),
            )
            rebuilt.rows[view.name] = rows.height
    rebuilt.seconds = round(perf_counter() - begun, 2)
    return rebuilt


def recognisable(settings: Settings, view: View, as_of: datetime) -> datetime:
    """The moment that a view is written as of; where workers write it too, no other one's.

    They read again what came since a whole write, which they know by its moment, so two rebuilds
    of the same day must differ: by less than a second.
    """
    if view.name != "user_recent" or settings.online.recent_by != "stream":
        return as_of
    return as_of + timedelta(microseconds=time_ns() // 1_000 % 1_000_000)
