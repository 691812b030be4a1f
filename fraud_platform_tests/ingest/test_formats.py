"""The same rows land as the same transactions and labels, whatever file they come in."""

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fraud_platform.clock import DAY_US
from fraud_platform.ingest import batches
from fraud_platform.lake.store import Lake
from fraud_platform_tests.ingest.payments import (
    GOOD,
    TEXT_SUFFIXES,
    land,
    landed_rows,
    payments,
    write,
    write_bytes,
)

NOON_US = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def landed_from(tmp_path: Path, name: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
    lake = Lake(tmp_path / f"lake-{name}")
    land(lake, write(frame, tmp_path / name))
    assert landed_rows(lake, "rejected").is_empty()
    return landed_rows(lake, "transaction"), landed_rows(lake, "label")


@pytest.mark.parametrize("suffix", TEXT_SUFFIXES)
def test_every_format_lands_as_parquet_does(tmp_path: Path, suffix: str):
    frame = payments(100)
    typed = frame.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC"))
    transactions, labels = landed_from(tmp_path, "typed.parquet", typed)
    found = landed_from(tmp_path, f"text{suffix}", frame)
    assert_frame_equal(found[0], transactions)
    assert_frame_equal(found[1], labels)
    assert transactions["amount_cents"].to_list() == list(range(1, 101))
    assert transactions["timestamp_us"][0] == NOON_US + 1
    assert labels["is_fraud"].sum() == 10


@pytest.mark.parametrize(
    "timestamp",
    [
        pl.Series(["2026-03-01T14:00:00+02:00"]),
        pl.Series(["2026-03-01 12:00:00"]),
        pl.Series(["2026-03-01 13:00:00+01:00"]),
        pl.Series(["2026-03-01T12:00:00"]).str.to_datetime(time_unit="ms"),
        pl.Series(["2026-03-01T12:00:00"]).str.to_datetime(time_unit="ns", time_zone="UTC"),
        pl.Series(["2026-03-01T21:00:00"]).str.to_datetime().dt.replace_time_zone("Asia/Tokyo"),
    ],
)
def test_times_of_any_zone_and_unit_are_the_same_moment(
    lake: Lake, tmp_path: Path, timestamp: pl.Series
):
    frame = payments(1).with_columns(timestamp=timestamp)
    land(lake, write(frame, tmp_path / "a.parquet"))
    assert landed_rows(lake, "transaction")["timestamp_us"].to_list() == [NOON_US]


def test_a_time_without_a_zone_breaks_the_contract_of_ndjson(lake: Lake, tmp_path: Path):
    lines = [GOOD, GOOD | {"timestamp": "2026-03-01T12:00:00"}]
    land(
        lake, write_bytes(tmp_path / "a.ndjson", b"\n".join(json.dumps(x).encode() for x in lines))
    )
    assert landed_rows(lake, "rejected")["offset"].to_list() == [1]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_whole_number_identifiers_become_text(lake: Lake, tmp_path: Path, suffix: str):
    land(
        lake,
        write(payments(2).with_columns(user_id=pl.Series([7, 2**62])), tmp_path / f"a{suffix}"),
    )
    assert landed_rows(lake, "transaction")["user_id"].to_list() == ["7", str(2**62)]


@pytest.mark.parametrize("verdicts", [[True, False], [1, 0], ["true", "FALSE"], ["1", "no"]])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_verdicts_may_be_true_one_or_text(
    lake: Lake, tmp_path: Path, suffix: str, verdicts: list[object]
):
    frame = payments(2).with_columns(is_fraud=pl.Series(verdicts))
    land(lake, write(frame, tmp_path / f"a{suffix}"))
    assert landed_rows(lake, "label")["is_fraud"].to_list() == [True, False]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_a_file_without_devices_and_verdicts_lands_transactions_alone(
    lake: Lake, tmp_path: Path, suffix: str
):
    landed = land(lake, write(payments(3).drop("device_id", "is_fraud"), tmp_path / f"a{suffix}"))
    assert (landed.transactions, landed.labels, landed.rejected) == (3, 0, 0)
    assert landed_rows(lake, "transaction")["device_id"].to_list() == [None] * 3


def test_a_parquet_column_without_any_value_is_null(lake: Lake, tmp_path: Path):
    frame = payments(3).with_columns(device_id=pl.lit(None), is_fraud=pl.lit(None))
    landed = land(lake, write(frame, tmp_path / "a.parquet"))
    assert (landed.transactions, landed.labels) == (3, 0)


def test_amounts_of_32_bits_and_decimals_keep_their_cents(tmp_path: Path):
    for kind in (pl.Float32, pl.Decimal(10, 2), pl.String):
        frame = payments(300).with_columns(pl.col("amount").round(2).cast(kind))
        transactions, _ = landed_from(tmp_path, f"{kind}.parquet", frame)
        assert transactions["amount_cents"].to_list() == list(range(1, 301))


def test_labels_are_known_after_maturity_or_from_labelled_at_on(lake: Lake, tmp_path: Path):
    frame = payments(2).with_columns(labelled_at=pl.Series([None, "2026-03-05T00:00:00Z"]))
    landed = land(lake, write(frame, tmp_path / "a.csv"))
    times = landed_rows(lake, "transaction")["timestamp_us"].to_list()
    known = landed_rows(lake, "label")["labelled_at_us"].to_list()
    assert known == [times[0] + 7 * DAY_US, NOON_US + int(3.5 * DAY_US)]
    assert {day.isoformat() for day in landed.label_days} == {"2026-03-08", "2026-03-05"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson.gz"])
def test_files_of_labels(lake: Lake, tmp_path: Path, suffix: str):
    frame = pl.DataFrame(
        {
            "transaction_id": ["t1", "t2"],
            "is_fraud": [1, 0],
            "labelled_at": ["2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z"],
            "source": ["bank", None],
        }
    )
    landed = land(lake, write(frame, tmp_path / f"labels{suffix}"), kind="labels")
    assert (landed.transactions, landed.labels) == (0, 2)
    rows = landed_rows(lake, "label")
    assert rows["is_fraud"].to_list() == [True, False]
    assert rows["label_source"].to_list() == ["bank", "file"]
    assert [str(day) for day in rows["event_date"]] == ["2026-03-05", "2026-03-06"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_other_peoples_column_names_are_mapped(lake: Lake, tmp_path: Path, suffix: str):
    frame = payments(4).rename(
        {"timestamp": "paid.at", "user_id": "card no", "device_id": "user_id"}
    )
    frame = frame.with_columns(note=pl.lit("left out"))
    landed = land(lake, write(frame, tmp_path / f"a{suffix}"), "timestamp=paid.at,user_id=card no")
    rows = landed_rows(lake, "transaction")
    assert (landed.transactions, rows["user_id"][1], rows["device_id"][1]) == (4, "u1", None)


def test_csv_as_spreadsheets_write_it(lake: Lake, tmp_path: Path):
    """A byte order mark, CRLF, quoted newlines and a blank line at the end."""
    header = ",".join(GOOD)
    row = 't0,2026-03-01T12:00:00Z,"u\r\n""0""",m0,,10.50,false'
    text = f"\ufeff{header}\r\n{row}\r\n\r\n"
    landed = land(lake, write_bytes(tmp_path / "a.csv", text.encode()))
    assert (landed.transactions, landed.rejected) == (1, 0)
    assert landed_rows(lake, "transaction")["user_id"][0] == 'u\r\n"0"'


def test_ndjson_with_a_byte_order_mark_crlf_and_blank_lines(lake: Lake, tmp_path: Path):
    line = json.dumps(GOOD).encode()
    content = b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line
    landed = land(lake, write_bytes(tmp_path / "a.ndjson", content))
    assert (landed.transactions, landed.rejected) == (2, 0)
    assert landed_rows(lake, "transaction")["offset"].to_list() == [0, 2]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_small_batches_land_the_same(
    lake: Lake, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batches, "BATCH_ROWS", 7)
    landed = land(lake, write(payments(50), tmp_path / f"a{suffix}"))
    assert (landed.transactions, landed.labels) == (50, 50)
    assert landed_rows(lake, "transaction")["offset"].to_list() == list(range(50))


def test_batches_end_at_their_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "BATCH_BYTES", 10)
    assert list(batches.batched([b"1234", b"1234", b"1234", b"1"], len)) == [
        [b"1234", b"1234", b"1234"],
        [b"1"],
    ]
