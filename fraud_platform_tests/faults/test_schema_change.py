"""Row 6: a field that appears is taken note of; a type that changes is set aside, and told."""

from pathlib import Path

import msgspec

from fraud_platform_tests.followers import Ingester, landed, places, to_end, transaction
from fraud_platform_tests.kafka_broker import Record, Topics


def test_a_new_field_is_accepted_and_recorded_with_where_it_was_seen_first(
    topics: Topics, tmp_path: Path
):
    topics.produce("transactions", [Record(transaction(0), partition=1)])
    newer = [transaction(n, channel=None if n == 1 else "web") for n in range(1, 4)]
    topics.produce("transactions", [Record(value, partition=1) for value in newer])
    done = to_end()
    assert (done.transactions, done.rejected, done.new_fields) == (4, 0, ["new field channel"])
    (recorded,) = landed(kinds=["schema"]).iter_rows(named=True)
    assert (recorded["source"], recorded["partition"], recorded["offset"]) == (
        topics.transactions,
        1,
        1,
    )
    assert recorded["reason"] == "new field channel"
    assert msgspec.json.decode(recorded["raw"]) == newer[0]
    # Known from then on, to every ingester.
    topics.produce("transactions", [transaction(5, channel="app")])
    assert Ingester(log=tmp_path / "log").outcome()["new_fields"] == []
    assert landed(kinds=["schema"]).height == 1


def test_a_changed_type_is_set_aside_counted_and_logged_as_an_error(topics: Topics, tmp_path: Path):
    follower = Ingester("--follow", log=tmp_path / "log")
    follower.wait_for("assigned")
    topics.produce("transactions", [transaction(0), transaction(1, user_id=17), transaction(2)])
    follower.wait_for(
        "ERROR quarantined 1 records of a changed type: Expected `str`, got `int` - at `$.user_id`"
    )
    assert follower.metrics()["fraud_ingest_type_changed_total"] == 1
    follower.stop()
    assert len(places()) == 3
    assert landed("transaction_id", kinds=["transaction"]).height == 2
