"""Decisions in Kafka: in the topic while it is there, in files while it is away, lost never."""

from collections.abc import Callable
from datetime import date

import polars as pl
from msgspec.structs import replace

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.ingest.decision_landing import land_decisions
from fraud_platform.ingest.kafka import ingest_to_end
from fraud_platform.ingest.topics import Wanted, create_topics
from fraud_platform.lake.predictions import prediction_rows
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Kafka, Settings
from fraud_platform_tests.kafka_broker import OwnBrokers
from fraud_platform_tests.serving.logged import ask, get, ids, in_files, with_log
from fraud_platform_tests.serving.parts import Deploy, eventually
from fraud_platform_tests.serving.process import Process

AWAY = "decisions go to files, Kafka is away"


def logged_total(process: Process) -> float:
    connection = process.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return float(text.split("\nfraud_decisions_logged_total ")[1].split("\n")[0])


def log_state(process: Process) -> str:
    return get(process.connect(), "/health/ready")[1]["decision_log"]


def test_decisions_go_to_the_topic_and_while_it_is_away_to_files_and_are_landed_once(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    own_broker: OwnBrokers,
) -> None:
    broker = own_broker()
    kafka = Kafka(brokers=broker.address)
    create_topics(kafka, Wanted(2))
    logging = replace(with_log(settings, "required"), kafka=kafka)
    deploy(logging)
    process = run(logging)
    connection = process.connect()
    assert eventually(lambda: log_state(process) == "ok")
    for number in range(20):
        assert ask(connection, transaction, number)[0] == 200
    assert eventually(lambda: logged_total(process) == 20)
    assert in_files(settings) == []

    broker.kill()
    for number in range(20, 40):
        assert ask(connection, transaction, number)[0] == 200
    away = {f"tx-{number}" for number in range(20, 40)}
    assert eventually(lambda: set(ids(in_files(settings))) >= away)
    assert log_state(process).startswith(AWAY)
    assert get(connection, "/health/ready")[0] == 200  # it costs no row

    broker.start()
    assert eventually(lambda: log_state(process) == "ok", seconds=60)
    connection = process.connect()  # the former was idle for too long
    for number in range(40, 60):
        assert ask(connection, transaction, number)[0] == 200
    connection.close()
    process.stop()

    lake = Lake(settings.lake_dir)
    done = ingest_to_end(logging, lake)
    assert done.predictions > 20  # a batch that took the broker too long is in the files
    assert done.rejected == 0
    land_decisions(settings, lake)
    assert ingest_to_end(logging, lake).predictions == 0
    landed = lake.read(
        LANDED_EVENTS, date.min, date.max, columns=["kind", "event_date", "raw", "source"]
    )
    assert set(landed["kind"]) == {"prediction"}
    assert "predictions" in set(landed["source"])
    logged = prediction_rows(landed)
    assert sorted(logged["transaction_id"]) == sorted(f"tx-{n}" for n in range(60))
    assert logged.filter(pl.col("decision_id").is_unique()).height == 60


def test_without_the_topic_decisions_go_to_files_and_the_mend_is_told(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    kafka_broker: str,
) -> None:
    kafka = Kafka(brokers=kafka_broker, predictions_topic="never-made")
    logging = Settings(data_dir=settings.data_dir, kafka=kafka, serving=settings.serving)
    deploy(logging)
    process = run(logging)
    connection = process.connect()

    assert ask(connection, transaction)[0] == 200
    assert eventually(lambda: len(in_files(settings)) == 1)
    assert eventually(lambda: "has no topic 'never-made'" in log_state(process))
    assert log_state(process).endswith("make it with: predictflow topics create")
