"""No fault of the online store keeps a request from its answer, nor its end from being noticed."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fraud_platform.features.state import VIEWS
from fraud_platform.online import open_store
from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.parts import NOW, Client, Deploy, Start
from serving.store_fault import FAULT_TEXTS


@contextmanager
def hanging(path: Path, spare: Path | None = None) -> Iterator[None]:
    """Puts a pipe without a writer in a file's place: opening it hangs, as a dead disk does.

    The file is gone, or at `spare`, from where it may be put back before the end.
    """
    if spare is None:
        path.unlink()
    else:
        path.rename(spare)
    os.mkfifo(path)
    other_end = path.with_name(f"{path.name}-pipe")
    os.link(path, other_end)
    try:
        yield
    finally:
        # Opening the other end lets the hung threads go.
        os.close(os.open(other_end, os.O_WRONLY | os.O_NONBLOCK))


@pytest.fixture
def asked(settings: Settings, deploy: Deploy, start: Start) -> Iterator[Client]:
    """An app on the test's own data, with the deadline that it has in production."""
    deploy(settings)
    with start(settings, 0.020) as client:
        yield client


def ask(client: Client, transaction: dict[str, object]) -> tuple[dict, float]:
    """An answer, and the seconds that it took."""
    started = time.perf_counter()
    answer = client.post("/predict", json=transaction)
    assert answer.status_code == 200
    return answer.json(), time.perf_counter() - started


def test_a_hung_store_holds_no_request_up(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
) -> None:
    deploy(settings)
    with hanging(settings.online_store), start(settings, 0.020) as client:
        answers = [ask(client, transaction) for _ in range(30)]

    assert all(answer["degraded"] for answer, _ in answers)
    assert {answer["degraded_reason"] for answer, _ in answers} <= {
        "the online store did not answer in time; scored without history",
        "all readers of the online store are held up; scored without history",
        f"{FAULT_TEXTS['open']}; scored without history",
    }
    seconds = sorted(seconds for _, seconds in answers)
    assert seconds[len(seconds) // 2] < 0.1
    assert seconds[-1] < 1.0


def test_a_lost_store_degrades_the_answers_until_it_is_written_again(
    asked: Client,
    settings: Settings,
    stored: Settings,
    transaction: dict[str, object],
) -> None:
    former, _ = ask_until(asked, transaction, degraded=False)
    for file in settings.online_store.parent.glob("online_store.db*"):
        file.unlink()

    stranger, _ = ask_until(asked, transaction, degraded=True)
    assert stranger["degraded_reason"] == "the online store is not there; scored without history"
    metrics = asked.get("/metrics").text
    assert 'fraud_predictions_degraded_total{reason="missing"}' in metrics

    with (
        closing(sqlite3.connect(stored.online_store)) as source,
        closing(sqlite3.connect(settings.online_store)) as target,
    ):
        source.backup(target)
    again, _ = ask_until(asked, transaction, degraded=False)
    assert again["fraud_probability"] == former["fraud_probability"]


def ask_until(client: Client, transaction: dict[str, object], degraded: bool) -> tuple[dict, float]:
    """Asks until the answer is degraded or is not; looks for a new file are 0.2 s apart."""
    end = time.monotonic() + 10
    while True:
        answer, seconds = ask(client, transaction)
        if answer["degraded"] == degraded or time.monotonic() > end:
            assert answer["degraded"] == degraded
            return answer, seconds
        time.sleep(0.02)


def test_a_store_that_was_missing_at_the_start_is_read_once_it_is_there(
    tmp_path: Path,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
) -> None:
    settings = Settings(data_dir=tmp_path, serving=Serving(repeat_seconds=0))
    deploy(settings)
    with start(settings) as client:
        assert ask(client, transaction)[0]["degraded"]
        with open_store(settings) as store:
            for view in VIEWS:
                store.write(view, {}, NOW)
        assert not ask(client, transaction)[0]["degraded"]


def test_what_a_writer_adds_is_in_the_next_answer(
    asked: Client, settings: Settings, transaction: dict[str, object]
) -> None:
    before, _ = ask_until(asked, transaction, degraded=False)
    with open_store(settings) as store:
        for view in VIEWS:
            store.write(view, {"user-3": view.empty, "merchant-4": view.empty}, NOW)
    after, _ = ask_until(asked, transaction, degraded=False)

    assert before["fraud_probability"] != after["fraud_probability"]
