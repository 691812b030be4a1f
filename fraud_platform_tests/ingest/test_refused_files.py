"""A file that can't be landed is refused with what to do, and nothing of it is landed."""

import gzip
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.inbox import land as land_under
from fraud_platform.ingest.mapping import IngestError, parse_map
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.ingest.payments import land, payments, write, write_bytes

CHECKOUT = Path(__file__).parents[2]


def refusal(lake: Lake, path: Path, *maps: str) -> str:
    """Why a file is refused, both by itself and under the settings."""
    with pytest.raises(IngestError) as plain:
        land(lake, path, *maps)
    with pytest.raises(IngestError):
        land_under(load_settings(), lake, path, parse_map(maps), lambda *_: None)
    assert lake.version(LANDED_EVENTS) is None
    assert str(path) in str(plain.value)
    return str(plain.value)


def test_a_missing_file_a_directory_and_an_unknown_suffix(lake: Lake, tmp_path: Path):
    assert "no such file" in refusal(lake, tmp_path / "none.csv")
    assert "not a file" in refusal(lake, tmp_path)
    for name in ("a.xlsx", "a", "a.parquet.gz", "a.gz"):
        assert "expected .parquet, .ndjson" in refusal(lake, write_bytes(tmp_path / name, b"x"))


def test_a_file_without_records(lake: Lake, tmp_path: Path):
    header = ",".join(payments(1).columns).encode()
    (tmp_path / "empty.csv").touch()
    assert "is empty" in refusal(lake, tmp_path / "empty.csv")
    for name, content in {
        "header.csv": header,
        "header.csv.gz": header,
        "blank.csv": header + b"\n\n\n",
    }.items():
        assert "holds no records" in refusal(lake, write_bytes(tmp_path / name, content))
    assert "holds no records" in refusal(lake, write(payments(0), tmp_path / "none.parquet"))
    assert "no column for transaction_id" in refusal(
        lake, write_bytes(tmp_path / "blank.ndjson", b"\n\n")
    )
    assert "no column for transaction_id" in refusal(
        lake, write_bytes(tmp_path / "blank.csv", b"\n\n")
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson", ".csv.gz"])
def test_a_missing_column_is_named_with_those_that_there_are(
    lake: Lake, tmp_path: Path, suffix: str
):
    said = refusal(lake, write(payments(3).rename({"amount": "euros"}), tmp_path / f"a{suffix}"))
    assert "no column for amount; the file has: transaction_id, timestamp" in said
    assert "euros" in said
    assert "--map amount=COLUMN" in said


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("timestamp", [True, False], "Boolean"),
        ("timestamp", [1, 2], "Int64"),
        ("amount", [[1.0], [2.0]], "List"),
        ("amount", [True, False], "Boolean"),
        ("amount", [timedelta(1), timedelta(2)], "Duration"),
        ("user_id", [1.5, 2.5], "Float64"),
        ("device_id", [b"1", b"2"], "Binary"),
        ("is_fraud", [{"a": 1}, {"a": 2}], "Struct"),
    ],
)
def test_a_mistyped_parquet_column_is_named_with_its_type(
    lake: Lake, tmp_path: Path, name: str, values: list[object], kind: str
):
    path = write(payments(2).with_columns(pl.Series(name, values)), tmp_path / "a.parquet")
    said = refusal(lake, path)
    assert f"the column for {name} is of type {kind}" in said
    assert f"--map {name}=COLUMN" in said


def test_a_csv_column_of_words_as_amount(lake: Lake, tmp_path: Path):
    frame = payments(3).with_columns(amount=pl.Series(["a lot", "more", "it's much"]))
    said = refusal(lake, write(frame, tmp_path / "a.csv"))
    assert "none of the first 3 records can be taken" in said
    assert "3 of them: amount … can't be read" in said
    assert "a lot" in said


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (["user_id=card"], "--map user_id=card names no column; the file has: transaction_id"),
        (["user_id=merchant_id"], "merchant_id is taken for both user_id and merchant_id"),
    ],
)
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_a_map_that_does_not_fit_the_file(
    lake: Lake, tmp_path: Path, maps: list[str], said: str, suffix: str
):
    assert said in refusal(lake, write(payments(3), tmp_path / f"a{suffix}"), *maps)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (["colour=c"], "no field 'colour'; fields: transaction_id, timestamp"),
        (["user_id=a,user_id=b"], "names the field user_id twice"),
        (["user_id=a", "user_id=b"], "names the field user_id twice"),
        (["user_id"], "not of the form field=column"),
        ([""], "not of the form field=column"),
        (["source=a"], "no field 'source'"),
    ],
)
def test_a_map_that_is_none(maps: list[str], said: str):
    with pytest.raises(IngestError) as refused:
        parse_map(maps)
    assert said in str(refused.value)


def test_a_column_name_that_stands_twice_in_the_header(lake: Lake, tmp_path: Path):
    text = write(payments(1), tmp_path / "a.csv").read_text().replace("device_id", "amount")
    said = refusal(lake, write_bytes(tmp_path / "twice.csv", text.encode()))
    assert "2 columns are named amount" in said
    table = pa.table([[1], [2]], names=["amount", "amount"])
    pq.write_table(table, tmp_path / "twice.parquet")
    refusal(lake, tmp_path / "twice.parquet")


def test_a_text_file_that_is_not_utf8(lake: Lake, tmp_path: Path):
    text = write(payments(1), tmp_path / "a.csv").read_text()
    said = refusal(lake, write_bytes(tmp_path / "wide.csv", text.encode("utf-16")))
    assert "not UTF-8 text; convert the file" in said


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst", ".ndjson.gz", ".ndjson.zst"])
def test_damaged_compression_is_refused_before_a_row_is_landed(
    lake: Lake, tmp_path: Path, suffix: str
):
    whole = write(payments(5_000), tmp_path / f"whole{suffix}").read_bytes()
    for name, content in {
        "cut": whole[:-5],
        "half": whole[: len(whole) // 2],
        "no": b"hello",
    }.items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(content)
        assert "can't be read to its end" in refusal(lake, path)


def test_what_is_not_a_parquet_file(lake: Lake, tmp_path: Path):
    whole = write(payments(1_000), tmp_path / "whole.parquet").read_bytes()
    for name, content in {"words": b"hello" * 10, "short": b"PAR1", "cut": whole[:-20]}.items():
        path = write_bytes(tmp_path / f"{name}.parquet", content)
        assert "can't be read as a Parquet file" in refusal(lake, path)


def test_a_parquet_file_with_a_damaged_row_group(lake: Lake, tmp_path: Path):
    content = bytearray(write(payments(1_000), tmp_path / "whole.parquet").read_bytes())
    content[4:600] = os.urandom(596)
    path = write_bytes(tmp_path / "damaged.parquet", bytes(content))
    assert "can't be read past row 0" in refusal(lake, path)


def ingest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fraud_platform", "ingest", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_so_on_one_line_and_leaves_with_status_1(data_dir: Path, tmp_path: Path):
    missing = ingest(tmp_path / "none.csv")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"predictflow: {tmp_path / 'none.csv'}: no such file\n"
    words = write_bytes(tmp_path / "words.ndjson.gz", b"words\n")
    refused = ingest(words, "--map", "user_id=card")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"predictflow: {words}: " in refused.stderr
    assert gzip.decompress(words.read_bytes()) == b"words\n"
    assert Lake(data_dir / "lake").version(LANDED_EVENTS) is None
