"""Rows 5 and 11: what can't be taken is set aside with all that is known of it; the rest lands."""

from datetime import UTC, datetime, timedelta

import polars as pl

from benchmarks.soak_records import POISON
from fraud_platform.ingest.contract_decoder import MAX_RECORD
from fraud_platform_tests.followers import label, landed, places, sent, to_end, transaction
from fraud_platform_tests.kafka_broker import Record, Topics

SORTS = [*POISON, None, b'{"transaction_id": "t", "amount": 1e999}', b"x" * (10 * MAX_RECORD)]


def test_poison_of_every_sort_is_set_aside_and_the_partition_moves_on(topics: Topics):
    stamp = 1_790_000_000_000
    poison = [Record(value, b"key", partition=0, timestamp_ms=stamp) for value in SORTS]
    good = [Record(transaction(n), partition=0) for n in range(len(poison))]
    mixed = [record for pair in zip(good, poison, strict=True) for record in pair]
    topics.produce("transactions", [*mixed, Record(transaction(99), partition=0)])
    topics.produce("labels", [label(1), *poison, label(2)])
    done = to_end()
    assert (done.transactions, done.labels) == (len(good) + 1, 2)
    assert done.rejected == 2 * len(poison)
    assert places() == sent(topics)
    rejected = landed(kinds=["rejected"]).filter(pl.col("source") == topics.transactions)
    assert rejected["offset"].to_list() == list(range(1, 2 * len(poison), 2))
    assert rejected["raw"].to_list() == [value or b"" for value in SORTS]
    assert set(rejected["key"]) == {b"key"}
    assert set(rejected["broker_timestamp_us"]) == {stamp * 1000}
    assert all(rejected["reason"])


def test_an_event_dated_tomorrow_is_set_aside_and_its_users_others_land(topics: Topics):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    ahead = transaction(1, user_id="u", timestamp=tomorrow)
    topics.produce(
        "transactions", [transaction(0, user_id="u"), ahead, transaction(2, user_id="u")]
    )
    done = to_end()
    assert (done.transactions, done.rejected) == (2, 1)
    (reason,) = landed("reason", kinds=["rejected"])["reason"]
    assert "more than five minutes ahead" in reason
    today = datetime.now(UTC).date()
    assert landed("event_date", kinds=["transaction"])["event_date"].max() <= today  # pyright: ignore[reportOperatorIssue]
