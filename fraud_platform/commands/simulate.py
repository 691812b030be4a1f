"""`predictflow simulate`: a simulated world as a file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow.parquet as pq

from fraud_platform import progress
from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.simulator import SimulatorConfig, simulate

COLUMNS = [
    "transaction_id",
    "timestamp",
    "user_id",
    "merchant_id",
    "device_id",
    "amount",
    "is_fraud",
]


def run_simulate(out: Path, start: date, world: Mapping[str, Any], *, as_json: bool) -> None:
    config = world_of(start, world)
    with console.bars():
        rows, frauds = write(config, out)
    if as_json:
        console.emit({"file": str(out), "rows": rows, "frauds": frauds})
    else:
        console.console.print(f"{out}: {rows:,} transactions, {frauds:,} of them fraud")


def world_of(start: date, world: Mapping[str, Any]) -> SimulatorConfig:
    """The world of the command's options."""
    names = {"per_day": "transactions_per_day"}
    return SimulatorConfig(start=start, **{names.get(k, k): v for k, v in world.items()})


def write(config: SimulatorConfig, out: Path) -> tuple[int, int]:
    """Writes the world to a file, whole or not at all; the rows and the frauds among them."""
    staging = out.with_name(f".{out.name}.part")
    rows = frauds = 0
    try:
        with _writer(out.suffix, staging) as put:
            for index, frame in enumerate(simulate(config), 1):
                put(frame.select(COLUMNS))
                rows, frauds = rows + frame.height, frauds + int(frame["is_fraud"].sum())
                progress.report("simulate", index, config.days)
        staging.replace(out)
    except OSError as error:
        raise PredictFlowError(f"can't write {out}: {error}") from error
    finally:
        staging.unlink(missing_ok=True)
    return rows, frauds


@contextmanager
def _writer(suffix: str, path: Path) -> "Iterator[Any]":
    if suffix not in (".parquet", ".ndjson", ".csv"):
        raise PredictFlowError(f"--out: {suffix or 'no suffix'}; use .parquet, .ndjson or .csv")
    if suffix == ".parquet":
        parquet: list[pq.ParquetWriter] = []

        def put_table(frame: pl.DataFrame) -> None:
            table = frame.to_arrow()
            if not parquet:
                parquet.append(pq.ParquetWriter(path, table.schema))
            parquet[0].write_table(table)

        try:
            yield put_table
        finally:
            for writer in parquet:
                writer.close()
        return
    with path.open("wb") as file:
        yield lambda frame: _put_text(frame, suffix, file)


def _put_text(frame: pl.DataFrame, suffix: str, file: IO[bytes]) -> None:
    stamped = frame.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    if suffix == ".csv":
        stamped.write_csv(file, include_header=file.tell() == 0)
    else:
        stamped.write_ndjson(file)
