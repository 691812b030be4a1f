"""What was polled is landed after what came before it, or not at all."""

import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from fraud_platform.ingest.contract_decoder import ContractDecoder
from fraud_platform.ingest.kafka_batch import Pending, Topic
from fraud_platform.ingest.kafka_landing import KafkaLanding
from fraud_platform.settings import Ingest, load_settings
from fraud_platform_tests.followers import lake, landed, transaction

TOPIC = Topic("transactions", "transactions", "id")
ZERO, ONE = (TopicPartition("transactions", number) for number in range(2))


def polled(*spans: tuple[TopicPartition, int, int], follows: int | None = None) -> Pending:
    """A batch of the offsets of partitions, first to last and one more."""
    pending = Pending(Ingest())
    for at, start, end in spans:
        records = [
            ConsumerRecord(
                *(at.topic, at.partition, 0, offset, 1_790_000_000_000, 0, None),
                *(msgspec.json.encode(transaction(offset)), [], None, 0, 100, 0),
            )
            for offset in range(start, end)
        ]
        decoder = ContractDecoder("transactions")
        pending.add(TOPIC, decoder, records, start if follows is None else follows)
    return pending


def landing() -> KafkaLanding:
    return KafkaLanding(load_settings(), lake(), {TOPIC.name: TOPIC})


def land(pending: Pending) -> dict[TopicPartition, int]:
    load_settings().data_dir.mkdir(parents=True, exist_ok=True)
    return landing().land(pending, lambda *_: None)


def offsets(partition: int = 0) -> list[int]:
    rows = landed("partition", "offset").rows()
    return [offset for at, offset in rows if at == partition]


def test_a_partition_that_another_one_landed_meanwhile_is_left_out_and_told():
    assert land(polled((ZERO, 0, 5))) == {}
    assert land(polled((ZERO, 0, 9), (ONE, 0, 3))) == {ZERO: 5}
    assert (offsets(0), offsets(1)) == ([0, 1, 2, 3, 4], [0, 1, 2])


def test_what_is_read_once_more_while_the_former_batch_was_being_written_does_not_land_twice():
    """As when a partition goes and comes back before the lake says that its rows are there."""
    former, again = polled((ZERO, 0, 5)), polled((ZERO, 0, 8))
    assert land(former) == {}
    assert land(again) == {ZERO: 5}
    assert offsets() == [0, 1, 2, 3, 4]


def test_a_gap_of_markers_in_the_log_is_passed_over():
    assert land(polled((ZERO, 0, 5))) == {}
    assert land(polled((ZERO, 7, 9), follows=5)) == {}
    assert offsets() == [0, 1, 2, 3, 4, 7, 8]


def test_a_batch_that_could_not_be_written_goes_before_what_was_read_on_from_it():
    failed, next_one = polled((ZERO, 0, 5), (ONE, 0, 2)), polled((ZERO, 5, 8))
    next_one.put_back(failed, {ZERO: 8, ONE: 2})
    assert next_one.spans == {ZERO: (0, 8), ONE: (0, 2)}
    assert land(next_one) == {}
    assert (offsets(0), offsets(1)) == (list(range(8)), [0, 1])


def test_of_a_batch_that_could_not_be_written_nothing_comes_back_that_is_read_again_or_went():
    failed = polled((ZERO, 0, 5), (ONE, 0, 2), (TopicPartition("transactions", 2), 0, 4))
    read_again = polled((ZERO, 0, 3))
    read_again.put_back(failed, {ZERO: 3, ONE: 0})
    assert read_again.spans == {ZERO: (0, 3)}
    assert land(read_again) == {}
    assert offsets() == [0, 1, 2]
