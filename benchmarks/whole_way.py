"""From a file to features, beside pandas and pydantic on the same rows, in one run.

    make bench                                     1.5M simulated transactions
    make bench DATA_FILE=payments.parquet          a file with this platform's column names

The last line is JSON: rows, seconds and peak MiB of each stage here, and how many times longer the
peer takes for the same rows. Each measured stage runs in a process of its own.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.dataset as ds

from benchmarks import peers
from benchmarks.feature_days import make_days
from fraud_platform.commands.simulate import write
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    Table,
)
from fraud_platform.ingest.landing import land_file
from fraud_platform.ingest.mapping import FieldMap
from fraud_platform.lake.counts import days_with_rows
from fraud_platform.lake.days import LANDED_LABEL, attach_transactions, deduplicate
from fraud_platform.lake.store import Lake
from fraud_platform.memory import peak_mib
from fraud_platform.simulator import SimulatorConfig

PEER_ROWS = 200_000  # pydantic row by row takes minutes for more; its time grows with the rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="file of transactions with labels")
    data: Path | None = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if data is None:
            data = home / "simulated.parquet"
            write(SimulatorConfig(days=150, users=5_000, transactions_per_day=10_000), data)
        elif not data.is_file():
            parser.exit(0, f"skipped: {data} is not there\n")
        figures = {
            "ingest": measured(ingest, data, home / "lake"),
            "days": measured(days, home / "lake"),
            "features": measured(features, home / "lake"),
            "peer_ingest": measured(peer_ingest, data, home / "peer"),
            "peer_features": measured(peer_features, data, home / "peer_features"),
        }
    show(figures)


def measured(work: Callable[..., int], *arguments: Any) -> dict[str, float]:
    """Rows, seconds and peak MiB of a call in a fresh process; imports are not counted."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (work, *arguments))


def _measure(work: Callable[..., int], *arguments: Any) -> dict[str, float]:
    begun = time.perf_counter()
    rows = work(*arguments)
    return {"rows": rows, "seconds": time.perf_counter() - begun, "peak_mib": peak_mib()}


def ingest(data: Path, lake: Path) -> int:
    landed = land_file(Lake(lake), data, FieldMap(), maturity_days=7)
    return landed.transactions


def days(root: Path) -> int:
    """Landed events to clean days of transactions and labels."""
    lake = Lake(root)
    start, end = _range(lake, LANDED_EVENTS)
    transaction, label = (ds.field("kind") == kind for kind in ("transaction", "label"))
    columns = RAW_TRANSACTIONS.schema.names
    landed = lake.read(LANDED_EVENTS, start, end, columns=columns, where=transaction)
    raw = deduplicate(landed)
    lake.replace_days(RAW_TRANSACTIONS, start, end, raw)
    landed = lake.read(LANDED_EVENTS, start, end, columns=LANDED_LABEL, where=label)
    labels = attach_transactions(landed, raw)
    lake.replace_days(TRANSACTION_LABELS, start, end, labels)
    return raw.height


def features(root: Path) -> int:
    """Clean days to features, by all the tables in between."""
    return make_days(root, *_range(Lake(root), RAW_TRANSACTIONS)).rows


def _range(lake: Lake, table: Table) -> tuple[date, date]:
    found = days_with_rows(lake, table)
    return found[0], found[-1] + timedelta(days=1)


def _peer_frame(data: Path) -> pl.DataFrame:
    frame = pl.read_parquet(data).with_columns(
        pl.col("transaction_id", "user_id", "merchant_id").cast(pl.String)
    )
    if "device_id" not in frame.columns:
        frame = frame.with_columns(device_id=pl.lit(None, dtype=pl.String))
    return frame


def peer_ingest(data: Path, table: Path) -> int:
    frame = _peer_frame(data).drop("is_fraud").head(PEER_ROWS).to_pandas()
    return peers.land(frame.astype({"device_id": object}).where(frame.notna(), None), table)


def peer_features(data: Path, table: Path) -> int:
    return peers.features(_peer_frame(data).to_pandas(), table)


def show(figures: dict[str, dict[str, float]]) -> None:
    print(f"{'stage':<15}{'rows':>12}{'seconds':>10}{'rows/s':>12}{'peak MiB':>10}")
    for name, one in figures.items():
        speed = one["rows"] / one["seconds"]
        print(
            f"{name:<15}{one['rows']:>12,.0f}{one['seconds']:>10.2f}{speed:>12,.0f}"
            f"{one['peak_mib']:>10,.0f}"
        )
    per_row = {name: one["seconds"] / one["rows"] for name, one in figures.items()}
    summary = {
        **{f"{name}_seconds": round(one["seconds"], 2) for name, one in figures.items()},
        "peak_mib": max(figures[name]["peak_mib"] for name in ("ingest", "days", "features")),
        "times_pydantic": round(per_row["peer_ingest"] / per_row["ingest"], 1),
        "times_pandas": round(per_row["peer_features"] / per_row["features"], 1),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
