"""Row 8: while Kafka is away scoring goes on and says that it misses payments; then it catches up.

The fault's ten minutes are AWAY_SECONDS here; PREDICTFLOW_TEST_AWAY_SECONDS has it last longer.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Serving, Settings, load_settings
from fraud_platform_tests.faults.test_online_store_lost import Answer, Asker
from fraud_platform_tests.faults.test_stream_faults import by_user, same, wait_for_events, worker
from fraud_platform_tests.followers import Ingester, places, sent, transaction, wait_until
from fraud_platform_tests.kafka_broker import OwnBrokers, new_topics
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.stream.conftest import begin
from fraud_platform_tests.stream.states import payments

STALE_SECONDS = 3
AWAY_SECONDS = float(os.environ.get("PREDICTFLOW_TEST_AWAY_SECONDS", "5"))
SAYS = "the stream of payments is behind; scored without the latest payments"


def begin_all(settings: Settings) -> None:
    """The other views as a rebuild writes them, so that a request finds all of them."""
    begin(settings)
    with open_store(settings) as store:
        for view in VIEWS[1:]:
            store.write(view, {"somebody": view.empty}, datetime.now(UTC))


def first_behind(asker: Asker) -> Answer:
    """The first answer that is flagged for this; a busy machine also misses 20 ms now and then."""
    while (answer := asker.until(degraded=True))["degraded_reason"] != SAYS:
        pass
    return answer


def test_while_kafka_is_away_answers_go_on_flagged_and_then_nothing_is_missing(
    own_broker: OwnBrokers,
    run: Callable[[Settings], Process],
    deploy: Deploy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = own_broker()
    topics = new_topics(broker.address, monkeypatch)
    monkeypatch.setenv("PREDICTFLOW_ONLINE_RECENT_BY", "stream")
    monkeypatch.setenv("PREDICTFLOW_ONLINE_STALE_SECONDS", str(STALE_SECONDS))
    settings = replace(load_settings(), serving=Serving(repeat_seconds=0))
    sent_payments = payments(80)
    begin_all(settings)
    deploy(settings)
    stream, ingester = worker(tmp_path, "stream"), Ingester("--follow", log=tmp_path / "ingester")
    service = run(settings)
    asker = Asker(service, transaction(0))
    topics.produce("transactions", by_user(sent_payments[:40]))
    wait_for_events(settings, 40, stream)
    wait_until(lambda: len(places()) == 40, "the ingester lands", ingester)
    known = asker.until(degraded=False)

    broker.kill()
    went = time.monotonic()
    flagged = first_behind(asker)
    assert STALE_SECONDS - 2 < time.monotonic() - went < STALE_SECONDS + 10
    # Flagged, and scored with all that was known before.
    assert flagged["fraud_probability"] == known["fraud_probability"]
    while time.monotonic() - went < AWAY_SECONDS:
        assert asker()[0]["degraded"]
        time.sleep(0.05)
    broker.start()
    topics.produce("transactions", by_user(sent_payments[40:]))
    wait_for_events(settings, 80, stream)
    asker.until(degraded=False)
    wait_until(lambda: len(places()) == 80, "all are landed", ingester)
    assert places() == sent(topics)
    stream.stop()
    ingester.stop()
    same(settings, sent_payments)

    # A worker that has gone is noticed the same way.
    first_behind(asker)
    asker.close()
