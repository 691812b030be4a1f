"""`predictflow doctor`: what is configured, what is reachable, what is stale."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from fraud_platform.commands import console, dagster_run
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    Table,
)
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.settings import Settings, load_settings

State = Literal["ok", "stale", "none yet", "fault"]
_COLOURS = {"ok": "green", "stale": "yellow", "none yet": "dim", "fault": "red"}


class Finding(NamedTuple):
    """One line of the doctor's report, with what to do where something is to be done."""

    about: str
    state: State
    says: str
    mend: str = ""


def run_doctor(*, as_json: bool) -> None:
    settings = load_settings()
    findings = list(examine(settings))
    if as_json:
        document = {"settings": msgspec.to_builtins(settings, enc_hook=str)}
        console.emit({**document, "findings": [one._asdict() for one in findings]})
    else:
        _print(settings, findings)
    if any(one.state == "fault" for one in findings):
        sys.exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that the doctor looks at, in the order of the data's way."""
    yield Finding("predictflow", "ok", f"version {version('predictflow')}")
    yield _checked("data directory", lambda: _writable(settings.data_dir))
    yield _checked("Dagster", lambda: Finding("Dagster", "ok", str(dagster_run.dagster_home())))
    lake = Lake(settings.lake_dir)
    yield _checked("Kafka", lambda: _kafka(settings, lake))
    yield _checked(LANDED_EVENTS.name, lambda: _landed(lake))
    for table in (RAW_TRANSACTIONS, TRANSACTION_LABELS, TRANSACTION_FEATURES):
        yield _checked(table.name, lambda table=table: _table(lake, table))
    yield _checked("online store", lambda: _online(settings))
    yield _checked("MLflow", lambda: _mlflow(settings))
    yield _checked("live model", lambda: _model(settings))


def _checked(about: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (PredictFlowError, OSError, sqlite3.Error) as error:
        return Finding(about, "fault", str(error))


def _writable(directory: Path) -> Finding:
    directory.mkdir(parents=True, exist_ok=True)
    probe = directory / ".doctor"
    probe.touch()
    probe.unlink()
    return Finding("data directory", "ok", str(directory))


def _kafka(settings: Settings, lake: Lake) -> Finding:
    kafka = settings.kafka
    if not kafka.brokers:
        mend = "to land a stream, set PREDICTFLOW_KAFKA_BROKERS; files need none"
        return Finding("Kafka", "none yet", "no brokers are set", mend)
    from fraud_platform.ingest.kafka_client import topic_ids, tried  # noqa: PLC0415
    from fraud_platform.ingest.kafka_lag import records_that_wait  # noqa: PLC0415

    topic_ids(kafka)  # says which topic is missing
    waiting = sum(records_that_wait(settings, lake).values())
    mend = "predictflow ingest --kafka" if waiting else ""
    return Finding("Kafka", "ok", f"{tried(kafka)}, {waiting:,} records wait", mend)


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def _landed(lake: Lake) -> Finding:
    last = _last_day(lake, LANDED_EVENTS)
    if last is None:
        return Finding("landed_events", "none yet", "no rows", "predictflow ingest FILES")
    fresh = last >= _yesterday()
    mend = "" if fresh else "land newer files: predictflow ingest FILES"
    return Finding("landed_events", "ok" if fresh else "stale", f"days up to {last}", mend)


def _table(lake: Lake, table: Table) -> Finding:
    landed, last = _last_day(lake, LANDED_EVENTS), _last_day(lake, table)
    wanted = min(landed, _yesterday()) if landed else None
    if last is None:
        return Finding(
            table.name, "none yet", "no rows", "predictflow materialize" if wanted else ""
        )
    says = f"days up to {last}, Delta version {lake.version(table)}"
    if wanted and last < wanted:
        mend = f"predictflow materialize --from {last + timedelta(days=1)} --to {wanted}"
        return Finding(table.name, "stale", says, mend)
    return Finding(table.name, "ok", says)


def _last_day(lake: Lake, table: Table) -> date | None:
    """The table's last day; of landed events, of the transactions among them."""
    delta = lake.open(table)
    parts = [] if delta is None else delta.partitions()
    days = [
        part["event_date"] for part in parts if part.get("kind", "transaction") == "transaction"
    ]
    return max((date.fromisoformat(str(day)) for day in days), default=None)


def _online(settings: Settings) -> Finding:
    from fraud_platform.features.state import VIEWS  # noqa: PLC0415 - as for the store
    from fraud_platform.online import open_store  # noqa: PLC0415

    with open_store(settings) as store:
        moments = {view.name: store.written_as_of(view) for view in VIEWS}
        policy = store.evicts()
    if policy:
        says = f"drops rows when it is full (maxmemory-policy {policy}): users would look new"
        return Finding("online store", "fault", says, "set maxmemory-policy noeviction")
    missing = [name for name, moment in moments.items() if moment is None]
    # What a stream adds to user_recent is no write of the whole view.
    found = [at for name, at in moments.items() if at is not None and name != "user_recent"]
    mend = "materialise online_features"
    if not found:
        return Finding("online store", "none yet", f"nothing in {settings.online.store}", mend)
    oldest = min(found).isoformat()
    if missing:
        says = f"as of {oldest}, without rows of {', '.join(missing)}"
        return Finding("online store", "stale", says, mend)
    fresh = min(found).date() > _yesterday()
    return Finding("online store", "ok" if fresh else "stale", f"as of {oldest}")


def _mlflow(settings: Settings) -> Finding:
    path = Path(settings.mlflow_uri.removeprefix("sqlite:///"))
    if not path.exists():
        return Finding("MLflow", "none yet", f"no {path}", "materialise fraud_model")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM model_versions").fetchone()
    return Finding("MLflow", "ok", f"{count} model versions in {settings.mlflow_uri}")


def _model(settings: Settings) -> Finding:
    bundle = champion_path(settings.bundles_dir)
    if bundle is None:
        return Finding(
            "live model", "none yet", "nothing was deployed", "materialise deployed_model"
        )
    manifest, _ = read_bundle(bundle)
    says = f"{manifest.model_name} v{manifest.model_version} of {manifest.partition}, verified"
    state: State = "ok" if manifest.partition >= _yesterday().isoformat() else "stale"
    return Finding("live model", state, says)


def _print(settings: Settings, findings: list[Finding]) -> None:
    rows = [
        (f"[{_COLOURS[one.state]}]{one.state}[/]", one.about, one.says, one.mend)
        for one in findings
    ]
    console.table("What there is", ("state", "about", "says", "mend"), rows)
    tree = msgspec.to_builtins(settings, enc_hook=str)
    flat = [
        (f"{section}.{name}" if name else section, str(value))
        for section, content in tree.items()
        for name, value in (content.items() if isinstance(content, dict) else [("", content)])
    ]
    console.table("Settings", ("setting", "value"), flat)
