"""Which of several transactions and labels counts."""

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.contracts.tables import LANDED_EVENTS, RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.lake.days import attach_transactions, deduplicate, latest_labels
from fraud_platform.lake.store import Lake
from fraud_platform_tests.lake.rows import D1, D2, D3, label, landed, payment, rows_of

NOON_US = day_start_us(D2) + DAY_US // 2


def test_of_a_transaction_id_on_a_day_the_first_landed_wins():
    rows = [payment("t", D1, 1), payment("t", D1, 2), payment("s", D1, 3), payment("t", D2, 4)]
    found = deduplicate(landed(rows))
    assert found.select("event_date", "transaction_id", "amount_cents").rows() == [
        (D1, "s", 3),
        (D1, "t", 1),
        (D2, "t", 4),
    ]


def test_the_first_landed_is_first_whatever_file_the_lake_reads_first(lake: Lake):
    for landed_at, amount in ((2, 20), (1, 10), (3, 30)):
        row = payment("t", D1, amount) | {
            "kind": "transaction",
            "landed_at_us": landed_at,
            "source_id": "s",
            "partition": 0,
            "offset": 0,
        }
        from_file = landed([row])
        lake.append(LANDED_EVENTS, from_file, source_id=f"s{landed_at}", start=0, end=1)
    found = deduplicate(lake.read(LANDED_EVENTS, D1, D2))
    assert found["amount_cents"].to_list() == [10]


def test_of_a_days_labels_of_a_transaction_the_last_known_wins():
    transactions = rows_of(RAW_TRANSACTIONS, [payment("t", D1, 500)])
    rows = [
        label("t", NOON_US + 5, is_fraud=True),
        label("t", NOON_US, is_fraud=False),
        label("t", NOON_US + DAY_US, is_fraud=False),
    ]
    found = attach_transactions(landed(rows), transactions)
    assert found.select("event_date", "is_fraud", "amount_cents").rows() == [
        (D2, True, 500),
        (D3, False, 500),
    ]


def test_of_labels_known_at_the_same_moment_the_last_landed_wins():
    rows = [label("t", NOON_US, is_fraud=fraud) for fraud in (True, True, False)]
    found = attach_transactions(landed(rows), rows_of(RAW_TRANSACTIONS, []))
    assert found["is_fraud"].to_list() == [False]


def test_a_label_without_its_transaction_is_kept():
    rows = [label("unknown", NOON_US, is_fraud=True, label_source="bank")]
    (found,) = attach_transactions(
        landed(rows), rows_of(RAW_TRANSACTIONS, [payment("t", D1)])
    ).to_dicts()
    assert found == label("unknown", NOON_US, is_fraud=True, label_source="bank") | dict.fromkeys(
        ("timestamp_us", "user_id", "merchant_id", "amount_cents")
    )


def test_no_rows_give_no_rows():
    assert deduplicate(landed([])).is_empty()
    assert attach_transactions(landed([]), rows_of(RAW_TRANSACTIONS, [])).is_empty()


def test_the_latest_verdict_of_each_transaction():
    rows = [
        label("t", NOON_US + DAY_US, is_fraud=False, timestamp_us=1),
        label("t", NOON_US, is_fraud=True, timestamp_us=1),
        label("t", NOON_US, is_fraud=True, timestamp_us=2),
    ]
    found = latest_labels(rows_of(TRANSACTION_LABELS, rows)).sort("timestamp_us")
    assert found["is_fraud"].to_list() == [False, True]
