"""The decision log: every answer is in it with all it was made of, whatever happens meanwhile."""

import asyncio
import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest

from fraud_platform.clock import to_us
from fraud_platform.decision_segments import finished_segments, open_segments
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.modelling.bundle import MODEL, read_bundle
from fraud_platform.settings import Settings
from fraud_platform_tests.contracts.test_decisions import a_decision
from fraud_platform_tests.serving.logged import ask, get, ids, in_files, limit_files, with_log
from fraud_platform_tests.serving.parts import NOW, Deploy, Start, eventually, paired, samples
from fraud_platform_tests.serving.process import Process
from serving import decision_log
from serving.decision_files import SegmentFiles
from serving.decision_log import DecisionLog
from serving.metrics import Metrics
from serving.problems import ProblemError
from serving.store_fault import Context

Run = Callable[[Settings], Process]


def test_a_decision_is_logged_with_all_that_it_was_made_of(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    bundle = deploy(settings)
    before = time.time_ns() // 1_000
    with start(settings) as client:
        answer = client.post("/predict?reasons=2", json=transaction).json()
        assert eventually(lambda: len(in_files(settings)) == 1)
        assert samples(client)["fraud_decisions_logged_total"] == 1
    (logged,) = in_files(settings)

    event = Event(
        timestamp_us=to_us(NOW),
        amount_cents=12_990,
        merchant_id="merchant-4",
        device_id="device-1",
    )
    context = paired(contexts, "3", "4")
    vector = [None if math.isnan(v) else v for v in compute_vector(event, context)]
    assert logged.features == vector
    assert (logged.transaction_id, logged.user_id, logged.merchant_id, logged.device_id) == (
        "tx-1",
        "user-3",
        "merchant-4",
        "device-1",
    )
    assert (logged.timestamp_us, logged.amount_cents) == (event.timestamp_us, 12_990)
    for name in ("fraud_probability", "is_fraud", "confidence", "threshold", "model_version"):
        assert getattr(logged, name) == answer[name]
    assert logged.model_sha256 == read_bundle(bundle)[0].sha256[MODEL]
    assert logged.reasons is not None
    given = [{name: getattr(one, name) for name in one.__struct_fields__} for one in logged.reasons]
    assert given == answer["reasons"]
    assert (logged.degraded, logged.fault, logged.key_id) == (False, None, None)
    assert before <= logged.decided_us <= time.time_ns() // 1_000
    assert 0 < logged.latency_us < 60_000_000
    complete = min(moment for s in context.values() if isinstance(moment := s.get("as_of_us"), int))
    assert logged.state_age_s == (logged.decided_us - complete) / 1_000_000


def test_a_decision_without_the_store_says_why(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings)
    settings.online_store.unlink()
    with start(settings) as client:
        client.post("/predict", json=transaction)
    (logged,) = in_files(settings)

    assert (logged.degraded, logged.fault, logged.state_age_s) == (True, "missing", None)
    assert logged.degraded_reason == "the online store is not there; scored without history"
    assert logged.reasons is None


def test_a_graceful_stop_finishes_the_segment_with_every_answer(
    run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]
) -> None:
    deploy(settings)
    process = run(settings)
    connection = process.connect()
    for number in range(50):
        assert ask(connection, transaction, number)[0] == 200
    connection.close()
    process.stop()

    assert open_segments(settings.decisions_dir) == []
    assert ids(in_files(settings)) == [f"tx-{number}" for number in range(50)]


def test_a_killed_workers_segment_is_taken_over_by_the_next_one(
    run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]
) -> None:
    deploy(settings)
    process = run(settings)
    assert ask(process.connect(), transaction)[0] == 200
    assert eventually(lambda: len(in_files(settings)) == 1)
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait()
    assert len(open_segments(settings.decisions_dir)) == 1

    run(settings)

    assert open_segments(settings.decisions_dir) == []
    assert ids(in_files(settings)) == ["tx-1"]


def test_where_it_is_required_an_answer_is_on_the_disk_before_it_is_given(
    run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]
) -> None:
    deploy(settings)
    process = run(with_log(settings, "required"))
    connection = process.connect()
    for number in range(20):
        status, answer, _ = ask(connection, transaction, number)
        assert status == 200
        assert in_files(settings)[-1].fraud_probability == answer["fraud_probability"]
        assert in_files(settings)[-1].transaction_id == f"tx-{number}"
    process.popen.kill()


def test_off_means_off(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings)
    with start(with_log(settings, "off")) as client:
        assert client.post("/predict", json=transaction).status_code == 200
        assert client.get("/health/ready").json()["decision_log"] == "off"
    assert not settings.decisions_dir.exists()


def test_where_it_is_required_nothing_is_decided_that_cannot_be_stored(
    run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]
) -> None:
    deploy(settings)
    process = run(with_log(settings, "required"))
    connection = process.connect()
    assert ask(connection, transaction, "before")[0] == 200
    stored = sum(path.stat().st_size for path in open_segments(settings.decisions_dir))

    limit_files(process, stored + 100)  # the next line fits in part
    status, problem, headers = ask(connection, transaction, "refused")
    assert status == 503
    assert headers["Retry-After"] == "1"
    assert problem["type"] == "urn:predictflow:problem:decision-not-logged"
    assert "File too large" in problem["detail"]
    status, ready = get(connection, "/health/ready")
    assert (status, ready["ready"]) == (503, False)
    assert ready["decision_log"] == "decisions can't be logged: File too large"

    limit_files(process, None)
    assert eventually(lambda: get(connection, "/health/ready")[0] == 200)  # without a request
    assert ask(connection, transaction, "after")[0] == 200
    connection.close()
    process.stop()
    assert ids(in_files(settings)) == ["tx-before", "tx-after"]
    torn = [p for p in settings.decisions_dir.glob("*") if not p.read_bytes().endswith(b"\n")]
    assert torn == []


def test_otherwise_decisions_go_on_and_wait_until_they_can_be_stored(
    run: Run, settings: Settings, deploy: Deploy, transaction: dict[str, object]
) -> None:
    deploy(settings)
    process = run(settings)
    connection = process.connect()
    limit_files(process, 0)
    answered = [ask(connection, transaction, number)[0] for number in range(20)]
    assert answered == [200] * 20
    said = "decisions can't be logged: File too large"
    assert eventually(lambda: get(connection, "/health/ready")[1]["decision_log"] == said)
    status, ready = get(connection, "/health/ready")
    assert (status, ready["ready"], ready["reasons"]) == (200, True, [said])

    limit_files(process, None)

    assert eventually(lambda: len(in_files(settings)) == 20)
    assert eventually(lambda: get(connection, "/health/ready")[1]["decision_log"] == "ok")


def test_past_the_bound_decisions_are_dropped_and_counted(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decision_log, "WAITING", 5)
    monkeypatch.setattr(decision_log, "RETRY_S", 0.05)
    write, broken = SegmentFiles.write, threading.Event()
    broken.set()

    def breaking(files: SegmentFiles, rows: Any, *, durable: bool) -> None:
        if broken.is_set():
            raise OSError(28, "No space left on device")
        write(files, rows, durable=durable)

    monkeypatch.setattr(SegmentFiles, "write", breaking)
    deploy(settings)
    with start(settings) as client:
        answers = [client.post("/predict", json=transaction).status_code for _ in range(12)]
        counted = samples(client)
        broken.clear()
    assert answers == [200] * 12
    assert counted["fraud_decisions_dropped_total,reason=full"] == 7
    assert len(in_files(settings)) == 5


def test_what_cannot_be_stored_at_the_end_is_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.decisions_dir.write_text("a file where the folder should be")
    metrics = Metrics()
    log = DecisionLog(settings, metrics.decisions)
    log.start()
    for number in range(3):
        asyncio.run(log.record(a_decision(decision_id=str(number))))
    log.close()

    found = metrics.registry.get_sample_value(
        "fraud_decisions_dropped_total", {"reason": "unwritten"}
    )
    assert found == 3


@pytest.mark.parametrize("mode", ["best_effort", "required"])
def test_a_disk_that_hangs_holds_no_answer_up_for_longer_than_its_deadline(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: Literal["best_effort", "required"]
) -> None:
    monkeypatch.setattr(decision_log, "DURABLE_S", 0.2)
    free = threading.Event()
    monkeypatch.setattr(SegmentFiles, "write", lambda *_, **__: free.wait(30))
    log = DecisionLog(with_log(settings, mode), Metrics().decisions)
    log.start()
    began = time.monotonic()
    if mode == "required":
        with pytest.raises(ProblemError, match=r"not stored within 0\.2 s"):
            asyncio.run(log.record(a_decision()))
    else:
        asyncio.run(log.record(a_decision()))

    assert time.monotonic() - began < 2
    assert eventually(lambda: log.state().failing)
    assert log.state().reason == "decisions can't be logged: a write does not return"
    free.set()
    log.close()


def test_many_answers_share_one_sync(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    write = SegmentFiles.write

    def slow(files: SegmentFiles, rows: Any, *, durable: bool) -> None:
        time.sleep(0.05)
        batches.append(len(rows))
        write(files, rows, durable=durable)

    monkeypatch.setattr(SegmentFiles, "write", slow)
    log = DecisionLog(with_log(settings, "required"), Metrics().decisions)
    log.start()

    async def all_at_once() -> None:
        await asyncio.gather(*(log.record(a_decision(decision_id=str(n))) for n in range(100)))

    asyncio.run(all_at_once())
    log.close()
    assert sum(batches) == 100
    assert len(batches) <= 3
    assert len(in_files(settings)) == 100


def test_a_segment_is_finished_when_it_is_full_or_old(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.decision_files.SEGMENT_S", 0.3)
    monkeypatch.setattr(decision_log, "RETRY_S", 0.05)
    log = DecisionLog(settings, Metrics().decisions)
    log.start()
    asyncio.run(log.record(a_decision()))
    assert eventually(lambda: len(finished_segments(settings.decisions_dir)) == 1)

    monkeypatch.setattr("serving.decision_files.SEGMENT_S", 60)
    monkeypatch.setattr("serving.decision_files.SEGMENT_BYTES", 1)
    for number in range(3):
        asyncio.run(log.record(a_decision(decision_id=str(number))))
        assert eventually(lambda n=number: len(finished_segments(settings.decisions_dir)) == n + 2)
    log.close()
