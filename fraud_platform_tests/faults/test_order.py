"""Rows 4 and 12: sent twice, in another order or by two producers, the tables are the same."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform_tests.followers import lake, landed, to_end, transaction
from fraud_platform_tests.kafka_broker import Topics
from fraud_platform_tests.world import TABLES, land_files, make

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
NEXT = YESTERDAY + timedelta(days=1)


def day_of_payments() -> list[dict[str, object]]:
    """Payments of a day, many at the same moment and by the same user."""
    noon = datetime.combine(YESTERDAY, datetime.min.time(), UTC) + timedelta(hours=12)
    return [
        transaction(
            n, timestamp=(noon + timedelta(seconds=n // 6)).isoformat(), user_id=f"u{n % 3}"
        )
        for n in range(300)
    ]


def tables() -> list[pl.DataFrame]:
    made = (RAW_TRANSACTIONS, TRANSACTION_LABELS, TRANSACTION_FEATURES)
    return [lake().read(table, YESTERDAY, NEXT) for table in made]


def test_equal_timestamps_reversed_batches_and_two_producers_equal_the_offline_result(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    payments = day_of_payments()
    verdicts = [
        {
            "transaction_id": f"t{n}",
            "is_fraud": n % 9 == 0,
            "labelled_at": f"{YESTERDAY}T13:{n % 60:02}:00Z",
            "source": "file",
        }
        for n in range(0, 300, 2)
    ]
    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "offline"))
    known = {verdict["transaction_id"]: verdict for verdict in verdicts}
    whole = [
        payment
        | {k: v for k, v in known.get(payment["transaction_id"], {}).items() if k != "source"}
        for payment in payments
    ]
    (tmp_path / "day.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(whole))
    land_files(tmp_path / "day.ndjson")
    make(TABLES, YESTERDAY, YESTERDAY)
    offline = tables()

    monkeypatch.setenv("PREDICTFLOW_DATA_DIR", str(tmp_path / "stream"))
    topics.produce("labels", reversed(verdicts))
    topics.produce("transactions", reversed(payments[200:]))
    to_end(batch_rows=7)
    shuffled = payments[:200]
    random.Random(0).shuffle(shuffled)
    for producer in range(2):
        topics.produce("transactions", shuffled[producer::2])
    to_end(batch_rows=7)
    make(TABLES, YESTERDAY, YESTERDAY)
    for there, here in zip(offline, tables(), strict=True):
        assert there.height > 0
        assert here.equals(there)


def test_a_transaction_that_is_sent_again_is_one_row_and_counted(topics: Topics):
    payments = day_of_payments()[:50]
    topics.produce("transactions", payments)
    again = [payment | {"merchant_id": "other"} for payment in payments[:20]]
    to_end()
    topics.produce("transactions", [*again, payments[0]])
    to_end()
    assert landed(kinds=["transaction"]).height == 71
    make(["raw_transactions"], YESTERDAY, YESTERDAY)
    made = lake().read(RAW_TRANSACTIONS, YESTERDAY, NEXT)
    assert made["transaction_id"].n_unique() == made.height == 50
    assert "other" not in made["merchant_id"]
