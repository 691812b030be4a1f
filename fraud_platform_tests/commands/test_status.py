"""`predictflow status`: an empty platform, one with a failed and a missing day, a service away."""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from fraud_platform.commands import dagster_run
from fraud_platform.commands.status import Service, ask
from fraud_platform.contracts.monitoring import GateResult, QualityReport
from fraud_platform.ingest.first_day import note_days
from fraud_platform.lake.store import Lake
from fraud_platform.settings import load_settings
from fraud_platform_tests.commands.conftest import Command
from fraud_platform_tests.lake.rows import D1, D2, D3, D4
from fraud_platform_tests.monitoring.test_figures import (
    TRANSACTION_FEATURES,
    a_drift_report,
    a_quality,
    a_run,
    fill,
    land,
    put,
)
from fraud_platform_tests.serving.conftest import deploy
from fraud_platform_tests.serving.parts import Deploy

__all__ = ["deploy"]
Document = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """A server that answers at the service's address with what it is given; until then nobody."""
    said = [b""]

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if b"true" in said[0] else 503)
            self.end_headers()
            self.wfile.write(said[0])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    monkeypatch.setenv("PREDICTFLOW_SERVING_PORT", str(server.server_address[1]))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})

    def answer(body: bytes) -> None:
        said[0] = body
        if not thread.is_alive():
            thread.start()

    yield answer
    if thread.is_alive():
        server.shutdown()
        thread.join()
    server.server_close()


def test_an_empty_platform_says_what_to_do_first(
    command: Command, port: Callable[[bytes], None]
) -> None:
    port(b'{"ready": false}')
    found = command("status")

    assert found.exit_code == 0
    said = " ".join(found.stdout.replace("│", " ").split())
    assert "Nothing was landed yet, and no model is live" in said
    assert "predictflow ingest" in said
    assert "none was made yet" in said
    assert "The service can't decide" in said
    assert command("status", "--check").exit_code == 1


def test_what_there_is_is_said_and_checked(
    command: Command, document: Document, deploy: Deploy
) -> None:
    settings = load_settings()
    lake = Lake(settings.lake_dir)
    note_days(settings, [D1])
    land(lake, *[("transaction", day) for day in (D1, D2, D3, D4)])
    for day in (D1, D4):
        fill(lake, TRANSACTION_FEATURES, day, 3)
    with dagster_run.instance(settings) as instance:
        failed = a_run(instance, dg.DagsterRunStatus.FAILURE, partition=str(D2), max_retries="0")
    deploy(settings)
    a_drift_report(settings, D4)
    put(
        settings.quality_dir / f"{D4}.json",
        QualityReport(
            day=str(D4), days=[a_quality(D1, "matured", 0.75), a_quality(D3, "early", 0.5)]
        ),
    )
    passed = GateResult(
        partition=str(D4),
        model_version="1",
        at=datetime.now(UTC).isoformat(),
        passed=True,
        conditions={"better": True},
    )
    put(settings.gate_file, passed)

    found = document("status", "--days", "3")
    shown = command("status", "--days", "3")
    said = " ".join(shown.stdout.replace("│", " ").split())

    assert [(one["day"], one["state"], one["run_id"]) for one in found["days"]] == [
        (str(D2), "failed", failed),
        (str(D3), "missing", ""),
        (str(D4), "made", ""),
    ]
    assert found["service"]["away"]
    assert [(one["alert"], one["says"]) for one in found["needs"]] == [
        ("FraudRunsFailed", f"Failed: {D2} (run {failed[:8]})"),
        ("FraudDayMissing", f"Not made: {D3}"),
        ("FraudRunsFailed", "Within a day 1 run failed after the last try"),
        ("FraudDrift", f"{D4} is not like the training: amount"),
    ]
    assert shown.exit_code == 0
    for expected in (
        "fraud_detector v1 of 2024-02-29",
        "does not answer on",
        "1 made, 1 failed, 1 missing of the last 3",
        f"{D4} against v1: 1 of 1 feature",
        "amount: more above 60",
        f"{D1}: precision",
        "recall 0.750",
        f"{D3}: precision",
        failed,
        f"let in v1 of {D4}",
    ):
        assert expected in said, expected
    assert command("status", "--check").exit_code == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"ready": true}', {"ready": True}),
        (
            b'{"ready": true, "reasons": ["late"], "model_version": "7"}',
            {"ready": True, "reasons": ["late"], "model_version": "7"},
        ),
        (b'{"ready": false}', {}),
        (b"<html>", {"away": "something else answers there"}),
        (b"\xff", {"away": "something else answers there"}),
    ],
)
def test_the_service_is_asked_whether_it_answers(
    port: Callable[[bytes], None], body: bytes, expected: dict[str, Any]
) -> None:
    port(body)
    settings = load_settings()

    address = f"http://127.0.0.1:{settings.serving.port}"
    assert ask(settings) == Service(address=address, **expected)


def test_a_service_that_takes_too_long_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it accepts, and never answers
        monkeypatch.setenv("PREDICTFLOW_SERVING_PORT", str(listener.getsockname()[1]))
        assert ask(load_settings()).away == "no answer within 1 s"
