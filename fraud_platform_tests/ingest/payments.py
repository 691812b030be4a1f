"""The same transactions, written to files of each format, and landed."""

import gzip
import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.landing import Landed, land_file
from fraud_platform.ingest.mapping import parse_map
from fraud_platform.lake.store import Lake

GOOD = {
    "transaction_id": "t0",
    "timestamp": "2026-03-01T12:00:00Z",
    "user_id": "u0",
    "merchant_id": "m0",
    "device_id": "d0",
    "amount": 10.5,
    "is_fraud": False,
}
TEXT_SUFFIXES = (".ndjson", ".ndjson.gz", ".ndjson.zst", ".csv", ".csv.gz", ".csv.zst")


def payments(count: int) -> pl.DataFrame:
    """Transactions a minute apart, with every third device unknown, over two days."""
    return pl.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in range(count)],
            "timestamp": [
                f"2026-03-{1 + i % 2:02}T12:{i // 60 % 60:02}:{i % 60:02}.000001Z"
                for i in range(count)
            ],
            "user_id": [f"u{i % 7}" for i in range(count)],
            "merchant_id": [f"m{i % 5}" for i in range(count)],
            "device_id": [None if i % 3 == 0 else f"d{i}" for i in range(count)],
            "amount": [(i + 1) * 0.01 for i in range(count)],
            "is_fraud": [i % 10 == 0 for i in range(count)],
        }
    )


def write(frame: pl.DataFrame, path: Path) -> Path:
    """Writes the rows in the format that the name says."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
        return path
    text = io.BytesIO()
    if ".csv" in path.suffixes:
        frame.write_csv(text)
    else:
        frame.write_ndjson(text)
    return write_bytes(path, text.getvalue())


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes bytes, compressed as the name says."""
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = pa.compress(content, codec="zstd", asbytes=True)
    path.write_bytes(content)
    return path


def land(lake: Lake, path: Path, *maps: str, kind: Any = "transactions") -> Landed:
    return land_file(lake, path, parse_map(maps, kind), maturity_days=7)


def landed_rows(lake: Lake, kind: str) -> pl.DataFrame:
    """What was landed of a kind, in the order of the file, without what names the file."""
    delta = lake.open(LANDED_EVENTS)
    if delta is None:
        return pl.DataFrame()
    found = pl.DataFrame(delta.to_pyarrow_table()).filter(pl.col("kind") == kind)
    return found.drop("source", "source_id", "landed_at_us").sort("offset")


def quarantined(lake: Lake) -> list[tuple[int, str, bytes]]:
    """Offset, reason and raw bytes of what was rejected."""
    return landed_rows(lake, "rejected").select("offset", "reason", "raw").rows()
