"""Records of Kafka leave the quarantine once, whoever replays them, and gaps only by a drop."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest import quarantine_replay
from fraud_platform.ingest.contract_decoder import ContractDecoder
from fraud_platform.ingest.kafka_batch import Pending, Topic, source_of
from fraud_platform.ingest.kafka_landing import KafkaLanding
from fraud_platform.ingest.mapping import Kind
from fraud_platform.ingest.quarantine import OPEN, Choice, read_bytes, read_records
from fraud_platform.ingest.quarantine_edit import Corrections, parse_corrections
from fraud_platform.ingest.quarantine_replay import Outcome, drop, replay
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.lake.rows import rows_of

GOOD = {
    "transaction_id": "t0",
    "timestamp": "2026-03-01T12:00:00Z",
    "user_id": "u0",
    "merchant_id": "m0",
    "amount": 10.5,
}
LABEL = {"transaction_id": "t0", "is_fraud": True, "labelled_at": "2026-03-05T00:00:00Z"}
ALL = Choice(everything=True)
TOPICS: dict[Kind, Topic] = {
    "transactions": Topic("transactions", "transactions", "1a2b3c4d-1"),
    "labels": Topic("labels", "labels", "5e6f7a8b-2"),
}
STAMP_MS = 1_772_366_400_123


@pytest.fixture
def settings() -> Settings:
    return load_settings()


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_dir)


def land(lake: Lake, *values: bytes | None, kind: Kind = "transactions", start: int = 0) -> None:
    """Lands messages of partition 3, the first at offset `start`, as an ingestion does."""
    topic = TOPICS[kind]
    at = TopicPartition(kind, 3)
    landing = KafkaLanding(load_settings(), lake, {kind: topic})
    stands = lake.position(LANDED_EVENTS, source_of({topic.name: topic.id}, at))
    pending = Pending(load_settings().ingest)
    records = [
        ConsumerRecord(
            kind, 3, 0, start + i, STAMP_MS, 0, b"u0", value, [], None, 2, len(value or b""), 0
        )
        for i, value in enumerate(values)
    ]
    pending.add(topic, ContractDecoder(kind), records, stands)
    landing.land(pending, lambda *_: None)


def land_rejected(lake: Lake, **columns: Any) -> None:
    """Appends rejected rows with these columns, values or expressions."""
    row = {
        "kind": "rejected",
        "event_date": datetime.now(UTC).date(),
        "source": "transactions",
        "source_id": "9f8e7d6c-5b4a",
        "partition": 0,
        "offset": 0,
        "landed_at_us": 1,
        "reason": "as it was then",
        "raw": b"",
    }
    given = pl.select([pl.lit(value).alias(name) for name, value in columns.items()])
    rows = pl.concat([rows_of(LANDED_EVENTS, []), given], how="diagonal_relaxed")
    filled = rows.with_columns(pl.lit(v).alias(n) for n, v in row.items() if n not in columns)
    lake.append(LANDED_EVENTS, filled, source_id="by hand", start=0, end=1)


def skip(lake: Lake, start: int, end: int) -> None:
    """Notes that the log of partition 3 was lost between two offsets."""
    topic = TOPICS["transactions"]
    landing = KafkaLanding(load_settings(), lake, {topic.name: topic})
    landing.skip(TopicPartition(topic.name, 3), start, end, accept_loss=True)


def message(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def landed(lake: Lake, kind: str) -> pl.DataFrame:
    delta = lake.open(LANDED_EVENTS)
    assert delta is not None
    return pl.DataFrame(delta.to_pyarrow_table()).filter(kind=kind).sort("offset")


def states(outcomes: list[Outcome]) -> list[str]:
    return [one.state for one in outcomes]


def open_offsets(lake: Lake) -> list[int]:
    return read_records(lake).filter(OPEN)["offset"].to_list()


def test_a_message_is_traceable_to_topic_partition_and_offset(settings: Settings, lake: Lake):
    land(lake, message(), message(amount=0, is_fraud=True), start=40)
    outcomes = replay(settings, lake, ALL, parse_corrections(["amount=3"], [], []))
    assert outcomes == [Outcome("1a2b3c4d:3:41", "replayed", "transaction t0 of 2026-03-01")]
    first, second = landed(lake, "transaction").iter_rows(named=True)
    for name in ("source", "source_id", "partition", "broker_timestamp_us"):
        assert first[name] == second[name]
    assert (second["source"], second["partition"], second["offset"]) == ("transactions", 3, 41)
    assert second["broker_timestamp_us"] == STAMP_MS * 1000
    assert landed(lake, "label").height == 0  # a topic of transactions carries no labels


def test_the_topic_says_what_a_message_is(settings: Settings, lake: Lake):
    bad = json.dumps(LABEL | {"is_fraud": 1}).encode()
    land(lake, json.dumps(LABEL).encode(), bad, kind="labels")
    fix = parse_corrections(["is_fraud=true"], [], [])
    assert replay(settings, lake, ALL, fix)[0].says == "label t0 of 2026-03-05"
    first, second = landed(lake, "label").iter_rows(named=True)
    assert first["label_source"] == second["label_source"] == "unknown"
    assert first["labelled_at_us"] == second["labelled_at_us"]


def test_a_contract_that_widened_takes_the_record_as_it_is(settings: Settings, lake: Lake):
    land_rejected(lake, raw=message(), broker_timestamp_us=1)
    assert states(replay(settings, lake, ALL, Corrections())) == ["replayed"]
    (resolved,) = landed(lake, "resolved").iter_rows(named=True)
    assert (resolved["reason"], resolved["raw"]) == ("replayed", None)


def test_a_gap_can_only_be_dropped(settings: Settings, lake: Lake):
    land(lake, message())
    skip(lake, 1, 5)
    (outcome,) = replay(settings, lake, ALL, Corrections())
    assert (outcome.id, outcome.state) == ("1a2b3c4d:3:1", "failed")
    assert "records that were lost" in outcome.says
    assert 'quarantine drop 1a2b3c4d:3:1 --why "..."' in outcome.says
    assert states(drop(lake, Choice((outcome.id,)), "retention was short")) == ["dropped"]
    assert open_offsets(lake) == []


def test_a_gap_of_a_whole_topic_has_an_id_too(lake: Lake):
    land_rejected(lake, partition=-1, offset=-1)
    assert read_records(lake)["id"].to_list() == ["9f8e7d6c:-1:-1"]
    assert states(drop(lake, Choice(("9f8e7d6c:-1:-1",)), "known")) == ["dropped"]


def test_a_tombstone_says_what_it_is(settings: Settings, lake: Lake):
    land(lake, None)
    assert "tombstone" in replay(settings, lake, ALL, Corrections())[0].says


def test_an_offset_that_was_given_out_again_is_another_record(settings: Settings, lake: Lake):
    """A log that lost its end notes so at an offset that a later record gets as well."""
    land(lake, message(), message(amount=0))
    land(lake, message(amount=-1), start=2)
    skip(lake, 3, 1)
    land(lake, message(transaction_id="t1", amount=0), start=1)
    assert sorted(open_offsets(lake)) == [1, 2, 3]
    fix = parse_corrections(["amount=1"], [], [])
    for expected in ("t0", "t1"):
        (outcome,) = replay(settings, lake, Choice(("1a2b:3:1",)), fix)
        assert outcome.says == f"transaction {expected} of 2026-03-01"
    with pytest.raises(PredictFlowError, match="not open any more"):
        replay(settings, lake, Choice(("1a2b:3:1",)), fix)
    assert sorted(open_offsets(lake)) == [2, 3]


@pytest.mark.parametrize("own_part", [False, True])
def test_replays_at_once_land_each_record_once(settings: Settings, lake: Lake, own_part: bool):
    count, workers = 12, 4
    land(lake, message(), *[message(transaction_id=f"t{i}", amount=0) for i in range(1, count + 1)])
    fix = parse_corrections(["amount=1"], [], [])
    start = threading.Barrier(workers)

    def work(number: int) -> list[Outcome]:
        ids = tuple(f"1a2b3c4d:3:{i}" for i in range(1, count + 1) if i % workers == number)
        start.wait()
        try:
            return replay(settings, lake, Choice(ids) if own_part else ALL, fix)
        except UnavailableError:
            raise
        except PredictFlowError as error:  # it looked after another had replayed all
            assert "no open record" in str(error)  # noqa: PT017
            return []

    with ThreadPoolExecutor(workers) as pool:
        outcomes = [one for found in pool.map(work, range(workers)) for one in found]
    assert sum(one.state == "replayed" for one in outcomes) == count
    assert {one.state for one in outcomes} <= {"replayed", "gone"}
    assert landed(lake, "transaction")["offset"].to_list() == list(range(count + 1))
    assert landed(lake, "resolved").height == lake.position(LANDED_EVENTS, "quarantine") == count


def test_a_record_that_another_drops_meanwhile_is_not_landed(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    land(lake, message(amount=0), message(transaction_id="t1", amount=0))
    decode = quarantine_replay.read_bytes
    rivals = iter(["1a2b3c4d:3:0"])

    def overtaken(lake: Lake, records: pl.DataFrame) -> pl.DataFrame:
        for id_ in rivals:
            drop(lake, Choice((id_,)), "faster")
        return decode(lake, records)

    monkeypatch.setattr(quarantine_replay, "read_bytes", overtaken)
    outcomes = replay(settings, lake, ALL, parse_corrections(["amount=1"], [], []))
    assert states(outcomes) == ["gone", "replayed"]
    assert landed(lake, "transaction")["offset"].to_list() == [1]


def test_more_records_than_one_commit_takes_are_all_replayed(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quarantine_replay, "COMMIT_RECORDS", 3)
    land(lake, *[message(amount=0) for _ in range(8)])
    outcomes = replay(settings, lake, ALL, parse_corrections(["amount=1"], [], []))
    assert states(outcomes) == ["replayed"] * 8
    assert landed(lake, "transaction")["offset"].to_list() == list(range(8))


def test_the_bytes_of_a_few_are_found_among_many(lake: Lake):
    count = 100_000
    number = pl.int_range(count, dtype=pl.Int64)
    raw = pl.concat_str(pl.lit("x" * 500), number).cast(pl.Binary)
    land_rejected(lake, **pl.select(offset=number, landed_at_us=number, raw=raw).to_dict())
    found = read_records(lake)
    assert found.height == count
    newest = read_bytes(lake, found.head(2))["raw"].to_list()
    assert newest == [b"x" * 500 + str(count - 1 - i).encode() for i in range(2)]


def test_corrections_leave_what_they_dont_name_as_it_was_written():
    raw = b'{"a": 1.10, "b": 12345678901234567890123, "c": [1, {"d": null}], "e": "\\u00e9"}'
    fix = parse_corrections(['x={"y": 1.50}'], ["c=z", "none=other"], ["a", "nothing"])
    assert fix.apply(raw) == (
        b'{"b":12345678901234567890123,"z":[1, {"d": null}],"e":"\\u00e9","x":{"y": 1.50}}'
    )
    with pytest.raises(PredictFlowError, match="the record has b too; say --remove b"):
        parse_corrections([], ["a=b"], []).apply(raw)
    assert parse_corrections([], ["a=b"], ["b"]).apply(b'{"a":1,"b":2}') == b'{"b":1}'
    for line in (b"[1]", b"\xff", b"[" * 100_000, b""):
        with pytest.raises(PredictFlowError, match="--record"):
            fix.apply(line)


def test_outcomes_stay_in_the_order_of_landing(settings: Settings, lake: Lake):
    land(lake, message(amount=0), b"junk", message(amount=0))
    land(lake, json.dumps(LABEL | {"amount": 1, "source": 3}).encode(), kind="labels")
    fix = parse_corrections(["amount=1"], [], ["source"])
    assert states(replay(settings, lake, ALL, fix)) == [
        "replayed",
        "failed",
        "replayed",
        "replayed",
    ]
    assert landed(lake, "label").height == 1


def test_a_changed_type_is_turned_back():
    fix = parse_corrections([], [], [], quotes=["id", "key", "none"], unquotes=["n", "yes", "x"])
    raw = b'{"id":17,"key":"k","none":null,"n":"12.50","yes":"true","x":1}'
    assert fix.apply(raw) == b'{"id":"17","key":"k","none":null,"n":12.50,"yes":true,"x":1}'
    assert parse_corrections([], [], [], quotes=["a"]).words == "--quote a"
    with pytest.raises(PredictFlowError, match="--unquote n: 'twelve' spells no JSON value"):
        fix.apply(b'{"n":"twelve"}')
