"""The platform's figures gathered: from the tables' logs, the reports and Dagster's runs.

No data file is opened and no event log searched, so that it can be done each minute.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraud_platform.alerts.state import State, read_state
from fraud_platform.clock import days_between
from fraud_platform.contracts.monitoring import (
    DayDrift,
    DayQuality,
    DayState,
    Figures,
    GateResult,
    LiveModel,
    LiveParity,
    QualityReport,
    TableState,
)
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    PREDICTION_LOG,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
)
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.tables import TABLES, TRANSACTION_FEATURES
from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.lake.counts import day_counts, landed_counts
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.modelling.promotions import live
from fraud_platform.monitoring.day_runs import DayRuns, day_runs
from fraud_platform.monitoring.drift import Drifted
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

DAYS = 30
"""How many days are looked at."""
_COUNTED = (RAW_TRANSACTIONS, TRANSACTION_LABELS, *TABLES, PREDICTION_LOG)

Counts = Mapping[date, int]


class _Drift(msgspec.Struct, frozen=True):
    """What is wanted of a `drift_day.DriftReport`, whose module imports XGBoost."""

    day: str
    model_version: str | None = None
    drifted: Drifted | None = None
    findings: list[str] = []
    unjudged: str = ""


def gather(
    settings: Settings, lake: Lake, instance: "dg.DagsterInstance", now: datetime | None = None
) -> Figures:
    """The platform as of now; what can't be read is told of in `faults` and left out."""
    now = now or datetime.now(UTC)
    faults: list[str] = []

    def tried[T](look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except (PredictFlowError, OSError) as error:
            faults.append(str(error))
            return otherwise

    runs = day_runs(instance, now - timedelta(days=DAYS), now - timedelta(days=1))
    landed = tried(lambda: landed_counts(lake), {})
    counts = {table.name: tried(lambda one=table: day_counts(lake, one), {}) for table in _COUNTED}
    first = settings.first_day or tried(lambda: read_first_day(settings), None)
    reports = _newest(settings.quality_dir, "", QualityReport, faults)
    return Figures(
        at=now.isoformat(timespec="seconds"),
        days=_days(first, now.date(), landed, counts, runs),
        tables=[
            _table(LANDED_EVENTS.name, landed.get("transaction", {})),
            *(_table(name, found) for name, found in counts.items()),
        ],
        drift=[_drift(one) for one in _newest(settings.drift_dir, "", _Drift, faults)],
        quality=_quality(reports),
        parity=_newest(settings.quality_dir, ".parity", LiveParity, faults),
        model=tried(lambda: _live_model(settings.bundles_dir), None),
        gate=tried(lambda: _decoded(settings.gate_file, GateResult), None),
        failed_runs=runs.failed_since,
        waiting_alerts=len(tried(lambda: read_state(settings.alerts_dir), State()).outbox),
        below_floor=reports[-1].findings if reports else [],
        faults=faults,
    )


def _days(
    first: date | None,
    today: date,
    landed: Mapping[str, Counts],
    counts: Mapping[str, Counts],
    runs: DayRuns,
) -> list[DayState]:
    """The last whole days. What ended longer ago is a data set of then: its last days are shown."""
    transactions, rejected = landed.get("transaction", {}), landed.get("rejected", {})
    end, last = today, max(transactions, default=None)
    if first is None or last is None:
        return []
    if last < today - timedelta(days=DAYS):
        end = last + timedelta(days=1)
    raw, made = counts[RAW_TRANSACTIONS.name], counts[TRANSACTION_FEATURES.name]
    found = []
    for day in days_between(max(first, end - timedelta(days=DAYS)), end):
        about = {
            "day": day.isoformat(),
            "rows": raw.get(day, transactions.get(day, 0)),
            "quarantined": rejected.get(day, 0),
        }
        if day in made:
            found.append(DayState(state="made", **about))
        elif day in runs.running:
            found.append(DayState(state="running", run_id=runs.running[day], **about))
        elif day in runs.failed:
            found.append(DayState(state="failed", run_id=runs.failed[day], **about))
        else:
            found.append(DayState(state="missing", **about))
    return found


def _table(name: str, counts: Counts) -> TableState:
    newest = max(counts, default=None)
    return TableState(
        name=name,
        newest_day=newest.isoformat() if newest else None,
        newest_rows=counts[newest] if newest else 0,
        rows=sum(counts.values()),
    )


def _drift(report: _Drift) -> DayDrift:
    found = report.drifted
    return DayDrift(
        day=report.day,
        model_version=report.model_version,
        drifted=[*found.vanished, *(one.name for one in found.found)] if found else [],
        distances={one.name: one.distances for one in found.measured} if found else {},
        unjudged=report.unjudged,
        findings=report.findings,
        excess={one.name: one.excess for one in found.measured} if found else {},
    )


def _quality(reports: Iterable[QualityReport]) -> list[DayQuality]:
    """Each decided day as it was judged last."""
    newest = {one.decided: one for report in reports for one in report.days}
    return [newest[day] for day in sorted(newest)]


def _live_model(root: Path) -> LiveModel | None:
    entry, path = live(root), champion_path(root)
    if entry is None or path is None:
        return None
    manifest, _ = read_bundle(path)
    return LiveModel(
        model_name=manifest.model_name,
        model_version=manifest.model_version,
        partition=manifest.partition,
        since=entry.at,
        who=entry.who,
        why=entry.why,
        metrics=manifest.metrics,
    )


def _newest[T](folder: Path, suffix: str, kind: type[T], faults: list[str]) -> list[T]:
    """The reports of the last days that there are, oldest first, but for damaged ones."""
    name = re.compile(rf"\d{{4}}-\d\d-\d\d{re.escape(suffix)}\.json")
    try:
        paths = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except FileNotFoundError:
        return []
    found = []
    for path in paths[-DAYS:]:
        try:
            one = _decoded(path, kind)
        except (PredictFlowError, OSError) as error:
            faults.append(str(error))
            continue
        if one is not None:
            found.append(one)
    return found


def _decoded[T](path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PredictFlowError(
            f"{path} is not readable: {error}; put back a copy of it, or remove it and materialise "
            "its asset again"
        ) from error
