"""A record that breaks the contract is set aside with its offset, its reason and its bytes."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_platform.ingest.lines import MAX_LINE
from fraud_platform.lake.store import Lake
from fraud_platform_tests.ingest.payments import (
    GOOD,
    land,
    landed_rows,
    quarantined,
    write_bytes,
)

# Ahead, without the time of day: both workers must name their tests alike.
AHEAD = f"{datetime.now(UTC).date() + timedelta(days=2)}T00:00:00+00:00"
LONG = "x" * 65

# Field, value, and what the reason says of it.
BROKEN = [
    ("transaction_id", None, "transaction_id"),
    ("user_id", None, "user_id"),
    ("merchant_id", LONG, "merchant_id has 65 characters"),
    ("device_id", LONG, "device_id has 65 characters"),
    ("amount", 0.0, "amount 0.0 is not over 0"),
    ("amount", -5.0, "amount -5.0 is not over 0"),
    ("amount", 1e308, "amount 1e+308 is not over 0 and up to 1,000,000"),
    ("amount", 1.234, "amount 1.234 has more than two decimals"),
    ("amount", 1_000_000.01, "amount 1000000.01 is not over 0"),
    ("amount", 1e-9, "amount 1e-09 is less than a cent"),
    ("amount", None, "amount"),
    ("timestamp", None, "timestamp"),
    ("timestamp", AHEAD, "is more than five minutes ahead"),
    ("timestamp", "1970-01-01T00:00:00Z", "is before 2000-01-01"),
    ("timestamp", "1969-12-31T23:59:59Z", "is before 2000-01-01"),
    ("timestamp", "0001-01-02T00:00:00+14:00", "is before 2000-01-01"),
    ("timestamp", "9999-12-31T23:59:59-00:00", "is more than five minutes ahead"),
    ("labelled_at", "1970-01-01T00:00:00Z", "labelled_at"),
    ("is_fraud", "perhaps", "is_fraud 'perhaps' can't be read"),
    ("is_fraud", 2, "is_fraud"),
]
TEXTS = [
    ("amount", "ten", "amount"),
    ("timestamp", "yesterday", "timestamp"),
    ("timestamp", "2026-02-30T12:00:00Z", "timestamp"),
    ("labelled_at", "soon", "labelled_at"),
]
NOT_JSON = [("amount", float(x), f"amount {x} is not over 0") for x in ("nan", "inf", "-inf")]


def land_good_around(
    lake: Lake, path: Path, content: Sequence[bytes]
) -> list[tuple[int, str, bytes]]:
    """Lands lines of which the first and the last are good; what was rejected."""
    landed = land(lake, write_bytes(path, b"\n".join(content) + b"\n"))
    rejected = quarantined(lake)
    assert landed.transactions == 2
    assert landed.rejected == len(rejected) == sum(landed.reasons.values())
    return rejected


@pytest.mark.parametrize(("field", "value", "reason"), BROKEN + TEXTS)
def test_ndjson(lake: Lake, tmp_path: Path, field: str, value: object, reason: str):
    good, bad = (json.dumps(row).encode() for row in (GOOD, GOOD | {field: value}))
    ((offset, said, raw),) = land_good_around(lake, tmp_path / "a.ndjson", [good, bad, good])
    assert (offset, raw) == (1, bad)
    assert reason in said or f"$.{field}" in said


def csv_line(row: Mapping[str, object]) -> bytes:
    return ",".join("" if value is None else str(value) for value in row.values()).encode()


@pytest.mark.parametrize(("field", "value", "reason"), BROKEN + TEXTS + NOT_JSON)
def test_csv(lake: Lake, tmp_path: Path, field: str, value: object, reason: str):
    good = GOOD | {"labelled_at": None}
    lines = [",".join(good).encode(), *map(csv_line, (good, good | {field: value}, good))]
    ((offset, said, raw),) = land_good_around(lake, tmp_path / "a.csv", lines)
    assert (offset, raw) == (1, lines[2])
    assert reason in said


@pytest.mark.parametrize(("field", "value", "reason"), BROKEN + TEXTS + NOT_JSON)
def test_parquet(lake: Lake, tmp_path: Path, field: str, value: object, reason: str):
    good = GOOD | {"labelled_at": None, "is_fraud": "no"}
    if field == "amount" and isinstance(value, str):
        good["amount"] = "10.5"
    if field == "is_fraud" and value == 2:
        good["is_fraud"] = 0
    bad = good | {field: value}
    frame = pl.DataFrame([good, bad, good], infer_schema_length=None)
    frame.write_parquet(tmp_path / "a.parquet")
    assert land(lake, tmp_path / "a.parquet").transactions == 2
    ((offset, said, raw),) = quarantined(lake)
    assert offset == 1
    assert reason in said
    assert json.loads(raw) == pytest.approx(bad, nan_ok=True)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("value", [2**63 - 1, -(2**62), 253_402_300_800_000_000])
def test_timestamps_that_no_calendar_holds(lake: Lake, tmp_path: Path, unit: str, value: int):
    good = pl.Series([f"2026-03-0{i}T12:00:00" for i in (1, 2, 3)]).str.to_datetime(time_unit=unit)  # pyright: ignore[reportArgumentType]
    moments = pl.Series([good.to_physical()[0], value, good.to_physical()[2]])
    frame = pl.DataFrame([GOOD] * 3).with_columns(timestamp=moments.cast(pl.Datetime(unit)))  # pyright: ignore[reportArgumentType]
    frame.write_parquet(tmp_path / "a.parquet")
    assert land(lake, tmp_path / "a.parquet").transactions == 2
    assert [offset for offset, _, _ in quarantined(lake)] == [1]


GOOD_LINE = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD_LINE[:-1], "truncated"),
        (b"[1, 2]", "Expected `object`, got `array`"),
        (b"17", "Expected `object`, got `int`"),
        (b"words", "malformed"),
        (b"\x00\xff\xfe", "malformed"),
        (GOOD_LINE.replace(b"u0", b"u\xff"), "utf-8"),
        (GOOD_LINE[:-1] + b', "more": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "recursion"),
        (b"[" * 100_000, ""),
        (GOOD_LINE.replace(b"u0", b"\\ud800"), ""),
        (GOOD_LINE.replace(b"10.5", b"NaN"), "malformed"),
        (GOOD_LINE.replace(b"10.5", b"1" + b"0" * 400), "out of range"),
        (GOOD_LINE.replace(b'"u0"', b"1" + b"0" * 5_000), "out of range"),
        (GOOD_LINE.replace(b"false", b"1" + b"0" * 30), "is_fraud"),
        (GOOD_LINE[:-1] + b', "labelled_at": "9999-12-31T23:59:59-14:00"}', "labelled_at"),
        (GOOD_LINE.replace(b"2026-03-01T12:00:00Z", b"9999-12-31T23:59:59-14:00"), "timestamp"),
    ],
)
def test_bytes_that_are_no_record(lake: Lake, tmp_path: Path, line: bytes, reason: str):
    """Also as the first of the file, where the names of its fields are looked for."""
    lines = [line, GOOD_LINE, GOOD_LINE, line]
    rejected = land_good_around(lake, tmp_path / "a.ndjson", lines)
    assert [(offset, raw) for offset, _, raw in rejected] == [(0, line), (3, line)]
    assert all(reason.lower() in said.lower() for _, said, _ in rejected)


def test_csv_rows_of_another_shape_keep_their_bytes(lake: Lake, tmp_path: Path):
    good = csv_line(GOOD)
    bad = {
        good + b",more": "has 8 values, the header names 7",
        good.rpartition(b",")[0]: "has 6 values, the header names 7",
        b"caf\xe9" + good: "not UTF-8",
        b'"t"0,' + good: "can't be parsed",
    }
    lines = [",".join(GOOD).encode(), good, *bad, good]
    rejected = land_good_around(lake, tmp_path / "a.csv", lines)
    assert [(offset, raw) for offset, _, raw in rejected] == list(enumerate(bad, 1))
    for (_, said, _), reason in zip(rejected, bad.values(), strict=True):
        assert reason in said


def test_an_unclosed_quote_takes_no_row_after_the_field_limit_with_it(lake: Lake, tmp_path: Path):
    good = csv_line(GOOD)
    lines = [",".join(GOOD).encode(), b'"open', *[good] * 5_000]
    landed = land(lake, write_bytes(tmp_path / "a.csv", b"\n".join(lines)))
    assert landed.rejected == 1
    ((offset, said, raw),) = quarantined(lake)
    assert (offset, raw[:5]) == (0, b'"open')
    assert "field larger than field limit" in said
    assert landed.transactions + raw.count(good) == 5_000


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_of_a_giant_line_the_first_bytes_are_kept(lake: Lake, tmp_path: Path, suffix: str):
    good = csv_line(GOOD) if suffix == ".csv" else GOOD_LINE
    giant = b'"' * (2 * MAX_LINE + 17)
    header = [",".join(GOOD).encode()] if suffix == ".csv" else []
    lines = [*header, good, giant, good]
    ((offset, said, raw),) = land_good_around(lake, tmp_path / f"a{suffix}", lines)
    assert (offset, raw) == (1, giant[:MAX_LINE])
    assert f"over {MAX_LINE:,} bytes" in said


def test_a_label_breaks_the_contract_too(lake: Lake, tmp_path: Path):
    good = {"transaction_id": "t1", "is_fraud": True, "labelled_at": "2026-03-05T00:00:00Z"}
    bad = [
        good | {"is_fraud": None},
        good | {"is_fraud": "perhaps"},
        good | {"labelled_at": "1970-01-01T00:00:00Z"},
        good | {"source": LONG},
        good | {"transaction_id": ""},
    ]
    content = b"\n".join(json.dumps(row).encode() for row in [good, *bad, good])
    landed = land(lake, write_bytes(tmp_path / "a.ndjson", content), kind="labels")
    assert (landed.labels, landed.rejected) == (2, 5)
    assert [json.loads(raw) for _, _, raw in quarantined(lake)] == bad


def test_reasons_are_counted_without_their_values(lake: Lake, tmp_path: Path):
    bad = [GOOD | {"amount": amount} for amount in (-1.5, -2.5)]
    bad += [GOOD | {"is_fraud": words} for words in ("it's", 'a "word"', "x" * 10_000)]
    content = b"\n".join(json.dumps(row).encode() for row in [GOOD, *bad])
    landed = land(lake, write_bytes(tmp_path / "a.ndjson", content))
    assert sorted(landed.reasons.values()) == [2, 3]
    assert all(len(said) < 200 for said in landed_rows(lake, "rejected")["reason"])
