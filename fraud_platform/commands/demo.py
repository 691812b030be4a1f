"""`predictflow demo`: the whole way once, and two transactions answered by the service."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import from_us
from fraud_platform.commands import console, dagster_run, simulate
from fraud_platform.commands.burst import Burst, burst
from fraud_platform.commands.ingest import ingest
from fraud_platform.commands.materialize import materialize
from fraud_platform.commands.own_service import ask, service
from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest.landing import Landed
from fraud_platform.ingest.mapping import FieldMap, parse_map
from fraud_platform.ingest.readers import SourceFile
from fraud_platform.lake.days import deduplicate
from fraud_platform.lake.store import Lake
from fraud_platform.memory import peak_mib, reset_peak
from fraud_platform.modelling.bundle import Manifest, champion_path, read_bundle
from fraud_platform.registry import Registry
from fraud_platform.settings import Settings, load_settings
from fraud_platform.simulator import SimulatorConfig

# 45 whole days and one more, whose transactions play the ones that come in today.
WORLD = SimulatorConfig(start=date(2026, 3, 1), days=46)
TABLES = (
    "raw_transactions,daily_tiles,transaction_habits,transaction_labels,label_tiles,"
    "transaction_features"
)
MODEL = "online_features,fraud_model,evaluation_report,deployed_model"
EVER = (date.min, date.max)
_TRANSACTIONS = ds.field("kind") == "transaction"


@dataclass(frozen=True)
class Stage:
    """What a stage took: seconds, and peak memory in MiB."""

    name: str
    seconds: float
    peak_mib: int


@dataclass(frozen=True)
class Outcome:
    """What the demo did; `answers` has the request, the truth and the answer of each payment."""

    settings: Settings
    stages: list[Stage]
    landed: Landed
    days: list[date]
    manifest: Manifest
    address: str
    answers: list[dict[str, Any]]
    quick: Burst | None
    """None where the service of these settings records nothing."""


def run_demo(data: Path | None, maps: Sequence[str], *, as_json: bool) -> None:
    if maps and data is None:
        raise PredictFlowError("--map says how the columns of --data are named; give --data FILE")
    if data is not None:
        SourceFile(data)  # a wrong path is told before anything is made
        # Other people's transactions and the simulated ones would make one muddle.
        os.environ.setdefault("PREDICTFLOW_DATA_DIR", f".predictflow-{data.name.partition('.')[0]}")
    settings = load_settings()
    if (settings.online.store, settings.online.recent_by) == ("sqlite", "online_features"):
        # Nobody streams here, so the service itself keeps what it was asked about.
        os.environ["PREDICTFLOW_ONLINE_RECENT_BY"] = "serving"
        settings = load_settings()
    with console.bars():
        outcome = _whole_way(settings, data, parse_map(maps))
    if as_json:
        console.emit(_document(outcome))
    else:
        _print(outcome)


def _whole_way(settings: Settings, data: Path | None, fields: FieldMap) -> Outcome:
    stages: list[Stage] = []
    if data is None:
        data = settings.data_dir / "simulated.parquet"
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with _timed(stages, "simulate"):
            simulate.write(WORLD, data)
    with _timed(stages, "ingest"):
        (landed,) = ingest(settings, [data], fields)
    days = sorted(Lake(settings.lake_dir).count_by_day(LANDED_EVENTS, *EVER, where=_TRANSACTIONS))
    today, yesterday = days[-1], days[-1] - timedelta(days=1)
    # A file that ends today ends with a day that isn't over, of which no table can be made yet.
    last_whole = min(today, datetime.now(UTC).date() - timedelta(days=1))
    runs = materialize(settings, days[0], last_whole, TABLES)
    runs += materialize(settings, yesterday, yesterday, MODEL)
    if champion_path(settings.bundles_dir) is None:
        raise PredictFlowError(_refusal(settings, yesterday))
    # As of the last day's first moment, when the payments of that day are asked about.
    with dagster_run.instance(settings) as on:
        runs.append(dagster_run.run_once(on, "online_labels", {"as_of": f"{today}T00:00:00Z"}))
    for one in runs:
        for step, seconds in one.seconds.items():
            stages.append(Stage(step, seconds, one.peak_mib[step]))
    with _timed(stages, "serve"), service(settings) as address:
        answers = [
            {**chosen, "answer": ask(address, chosen["request"])}
            for chosen in payments_of(Lake(settings.lake_dir), today)
        ]
        records = settings.online.recent_by == "serving" and answers
        first = answers[0]["request"] if records else None
        quick = burst(settings, first, partial(ask, address)) if first else None
    bundle = champion_path(settings.bundles_dir)
    assert bundle is not None
    manifest, _ = read_bundle(bundle)
    return Outcome(settings, stages, landed, days, manifest, address, answers, quick)


def _refusal(settings: Settings, day: date) -> str:
    registry = Registry(settings)
    verdict = registry.verdict(registry.newest(day.isoformat()))
    assert verdict is not None
    return f"no model is good enough to serve: {verdict.refusal}"


def payments_of(lake: Lake, today: date) -> list[dict[str, Any]]:
    """A legitimate and a fraudulent payment of a day, as requests, with what they truly were.

    Both are their user's first payment of the day, because the online state is that of midnight:
    the service then knows of the user all that there is to know. The legitimate one is of median
    amount, the fraudulent one the largest.
    """
    landed = lake.read(LANDED_EVENTS, today, today + timedelta(days=1), where=_TRANSACTIONS)
    labels = lake.read(
        LANDED_EVENTS,
        today,
        date.max,
        columns=["transaction_id", "is_fraud"],
        where=(ds.field("kind") == "label"),
    ).unique("transaction_id", keep="last", maintain_order=True)
    first = (
        deduplicate(landed)
        .unique("user_id", keep="first", maintain_order=True)
        .join(labels, on="transaction_id")
    )
    by_amount = first.sort("amount_cents", "transaction_id")
    legitimate = by_amount.filter(~pl.col("is_fraud"))
    legitimate = legitimate.slice(legitimate.height // 2, 1)
    fraudulent = by_amount.filter("is_fraud").tail(1)
    return [
        {
            "truth": "fraud" if row["is_fraud"] else "legitimate",
            "request": {
                "transaction_id": row["transaction_id"],
                "timestamp": from_us(row["timestamp_us"]).isoformat(),
                "user_id": row["user_id"],
                "merchant_id": row["merchant_id"],
                "device_id": row["device_id"],
                "amount": row["amount_cents"] / 100,
            },
        }
        for row in pl.concat([legitimate, fraudulent]).iter_rows(named=True)
    ]


@contextmanager
def _timed(stages: list[Stage], name: str) -> Iterator[None]:
    reset_peak()
    begun = time.perf_counter()
    yield
    stages.append(Stage(name, time.perf_counter() - begun, peak_mib()))


def _document(outcome: Outcome) -> dict[str, Any]:
    manifest = outcome.manifest
    return {
        "data_dir": str(outcome.settings.data_dir),
        "rows": outcome.landed.transactions,
        "landed_before": outcome.landed.skipped,
        "quarantined": outcome.landed.rejected,
        "days": len(outcome.days),
        "model": f"{manifest.model_name} v{manifest.model_version}",
        "partition": manifest.partition,
        "threshold": manifest.threshold,
        "metrics": manifest.metrics,
        "stages": [stage.__dict__ for stage in outcome.stages],
        "address": outcome.address,
        "answers": outcome.answers,
        "ten_quick_payments": outcome.quick and asdict(outcome.quick),
    }


def _print(outcome: Outcome) -> None:
    show, landed, manifest = console.console.print, outcome.landed, outcome.manifest
    metrics = manifest.metrics
    console.table(
        "What it took",
        ("stage", "seconds", "peak MiB"),
        [(stage.name, round(stage.seconds, 1), stage.peak_mib) for stage in outcome.stages],
    )
    before = f", {landed.skipped:,} were landed before" if landed.skipped else ""
    show(
        f"\n{landed.source}: {landed.transactions:,} transactions landed{before}, "
        f"{landed.rejected:,} quarantined"
    )
    show(f"{len(outcome.days)} days materialised, {outcome.days[0]} to {outcome.days[-1]}")
    show(
        f"\n[bold]{manifest.model_name} v{manifest.model_version}[/] of {manifest.partition}, "
        f"on {metrics['days']:.0f} test days ({metrics['rows']:,.0f} transactions):"
    )
    rows = [(name, *values) for name, *values in _comparison(manifest)]
    console.table("", ("metric", "model", "never fraud"), rows)
    for one in outcome.answers:
        request, answer = one["request"], one["answer"]
        verdict = "FRAUD" if answer["is_fraud"] else "let through"
        show(
            f"\nPOST /predict  {request['transaction_id']}, {request['amount']:.2f} "
            f"(truly {one['truth']})\n  {verdict}: probability "
            f"{answer['fraud_probability']:.4f}, threshold {answer['threshold']:.4f}, "
            f"confidence {answer['confidence']:.2f}, degraded: {answer['degraded']}"
        )
        reasons = [f"{why['text']} ({why['contribution']:+.2f})" for why in answer["reasons"]]
        show(f"  because {'\n      and '.join(reasons)}")
    if outcome.quick is not None:
        (few, many), (low, high) = outcome.quick.counts, outcome.quick.probabilities
        show(
            f"\nTen quick small payments of {console.plain(outcome.quick.user_id)} later: "
            f"payments in 24 h {few} -> {many}, probability {low:.4f} -> {high:.4f}"
        )
    where = os.path.relpath(outcome.settings.data_dir)
    data = "" if where == ".predictflow" else f" DATA={where}"
    show(
        f"\nThe service answered on {outcome.address}. Where to look next:\n"
        f"  make serve{data}   the service, POST /predict on http://127.0.0.1:"
        f"{outcome.settings.serving.port}\n"
        f"  make dev{data}     Dagster on http://127.0.0.1:3000: lineage, checks, backfills\n"
        f"  make mlflow{data}  MLflow on http://127.0.0.1:5000: runs, models, reports"
    )


def _comparison(manifest: Manifest) -> list[tuple[str, float, float]]:
    """Metric, the model's figure, and that of calling nothing fraud."""
    metrics = manifest.metrics
    share = metrics["frauds"] / metrics["rows"]
    pairs = {
        "average precision": ("average_precision", share),
        "AUC ROC": ("auc_roc", 0.5),
        "card precision at 100": ("card_precision_100", 0.0),
        "recall": ("recall", 0.0),
        "precision": ("precision", 0.0),
        "accuracy": ("accuracy", metrics["accuracy_never_fraud"]),
        "money saved": ("money_saved", 0.0),
    }
    return [(name, round(metrics[key], 4), round(never, 4)) for name, (key, never) in pairs.items()]
