"""Row 3: who lost a partition cannot write what it polled of it."""

from pathlib import Path

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform_tests.followers import (
    Ingester,
    lake,
    landed,
    places,
    sent,
    to_end,
    transaction,
    wait_until,
)
from fraud_platform_tests.kafka_broker import Topics


def test_a_follower_that_wakes_up_after_its_partitions_went_to_another_writes_nothing_of_them(
    topics: Topics, tmp_path: Path
):
    # It waits half a minute with what it has polled, so that it holds rows when it is stopped.
    former = Ingester("--follow", log=tmp_path / "former", PREDICTFLOW_INGEST_BATCH_SECONDS="30")
    former.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(60)])
    polled = 'fraud_ingest_lag_records{partition="0",topic="%s"}' % topics.transactions  # noqa: UP031
    wait_until(lambda: former.metrics().get(polled, 0) > 0, "it has polled them", former)
    former.pause()
    other = Ingester("--follow", log=tmp_path / "other")
    wait_until(lambda: len(places()) == 60, "the other lands them", other, former)
    version = lake().version(LANDED_EVENTS)
    rows = landed()
    former.go_on()
    said = former.stop()
    assert said["transactions"] == 0
    assert lake().version(LANDED_EVENTS) == version
    assert landed().equals(rows)
    topics.produce("transactions", [transaction(n) for n in range(60, 80)])
    wait_until(lambda: len(places()) == 80, "the rest is there", other)
    assert other.stop()["transactions"] == 80
    assert places() == sent(topics)


def test_two_that_go_to_the_end_at_once_land_each_record_once(topics: Topics, tmp_path: Path):
    topics.produce("transactions", [transaction(n) for n in range(3_000)])
    small = {"PREDICTFLOW_INGEST_BATCH_ROWS": "100"}
    both = [Ingester(log=tmp_path / f"log{n}", **small) for n in range(2)]
    done = [one.outcome() for one in both]
    assert sum(one["transactions"] for one in done) == 3_000
    assert places() == sent(topics)


def test_members_that_come_and_go_leave_each_record_once(topics: Topics, tmp_path: Path):
    first = Ingester("--follow", log=tmp_path / "first")
    first.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(500)])
    second = Ingester("--follow", log=tmp_path / "second")
    topics.produce("transactions", [transaction(n) for n in range(500, 1_000)])
    second.wait_for("assigned")
    topics.produce("transactions", [transaction(n) for n in range(1_000, 1_500)])
    done = [first.stop()]
    topics.produce("transactions", [transaction(n) for n in range(1_500, 2_000)])
    wait_until(lambda: len(places()) == 2_000, "all are there", second)
    taken_over = second.log.read_text
    wait_until(lambda: taken_over().count("assigned") >= 2, "it has the others' partitions", second)
    done.append(second.stop())
    assert sum(one["transactions"] for one in done) == 2_000
    assert done[1]["rebalances"] >= 2
    assert places() == sent(topics)
    assert to_end().commits == 0
