"""Debian's Prometheus reading the real service and the real exporter, through a restart."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count, islice, takewhile
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from fraud_platform.commands.exporter import run_exporter
from fraud_platform.local_kafka import free_port
from fraud_platform.monitoring.figures_file import read_figures, write_figures
from fraud_platform.monitoring.figures_metrics import registry_of
from fraud_platform.settings import Settings, load_settings
from fraud_platform_tests.monitoring.watched import FIGURES
from fraud_platform_tests.prometheus_server import LOOPBACK, Prometheus
from fraud_platform_tests.serving import conftest
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import CHECKOUT, Process

contexts, stored, models = conftest.contexts, conftest.stored, conftest.models
deploy, settings, transaction, run = (
    conftest.deploy,
    conftest.settings,
    conftest.transaction,
    conftest.run,
)
SERVICE, EXPORTER = "predictflow-service", "predictflow-exporter"


class Exporter:
    """`predictflow exporter` in a process of its own, on a free port; ended by its own id."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self._log = log
        named = {"DATA_DIR": str(data_dir), "EXPORTER_METRICS_PORT": "0"}
        with log.open("wb") as lines:
            self.popen = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "fraud_platform", "exporter"],
                cwd=CHECKOUT,
                env=os.environ | {f"PREDICTFLOW_{name}": value for name, value in named.items()},
                stderr=lines,
            )
        self.port = self._listens()

    def _listens(self) -> int:
        end = time.monotonic() + 60
        while not (found := re.search(r"metrics on http://127.0.0.1:(\d+)/", self.log())):
            assert self.popen.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return int(found[1])

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        """Sends SIGTERM; the exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@pytest.fixture
def exporter(settings: Settings, tmp_path: Path) -> Iterator[Exporter]:
    found = Exporter(settings.data_dir, tmp_path / "exporter.log")
    yield found
    if found.popen.poll() is None:
        found.popen.kill()
        found.popen.wait()


def decisions(service: Process, transaction: dict[str, object]) -> Iterator[bool]:
    """Asks for a decision each time; whether it was degraded."""
    connection = service.connect()
    for number in count():
        body = json.dumps(transaction | {"transaction_id": f"t-{number}"})
        connection.request("POST", "/predict", body)
        answer = json.load(connection.getresponse())
        yield answer["degraded"]


def test_every_metric_has_its_value_and_a_restart_of_the_service_breaks_nothing(
    run: Callable[..., Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    exporter: Exporter,
    tmp_path: Path,
) -> None:
    # Prometheus and this test keep their connections.
    settings = replace(settings, serving=replace(settings.serving, drain_seconds=0.1))
    deploy(settings)
    write_figures(settings.figures_file, FIGURES)
    service = run(settings, free_port())
    targets = {SERVICE: service.port, EXPORTER: exporter.port}
    with Prometheus(tmp_path / "prometheus", targets) as prometheus:
        asked = decisions(service, transaction)
        given = sum(1 for _ in islice(asked, 4))
        for file in settings.online_store.parent.glob("online_store.db*"):
            file.unlink()
        given += 1 + sum(1 for _ in takewhile(lambda degraded: not degraded, asked))

        # What the design names, and a value of each other family of the exporter.
        predictions = f'sum(fraud_predictions_total{{job="{SERVICE}"}})'
        for expression, expected in (
            (predictions, given),
            ("fraud_prediction_latency_seconds_count", given),
            ("fraud_model_confidence_count", given),
            ('count(fraud_predictions_total{prediction=~"fraud|legitimate"})', 2),
            ('fraud_model_precision{estimate="matured", model_version="all"}', 0.75),
            ('fraud_model_recall{estimate="matured", model_version="all"}', 0.8),
            ('fraud_model_auc{estimate="matured", model_version="all"}', 0.97),
            ('feature_distribution_shift{feature="amount"}', 0.4),
        ):
            prometheus.comes_to(expression, lambda value, expected=expected: value == expected)
        prometheus.comes_to("sum(fraud_predictions_degraded_total)", bool)
        for family in registry_of(lambda: FIGURES, settings).collect():
            assert prometheus.value(f"count({family.name})"), family.name
        recorded = f'job:fraud_predictions:rate5m{{job="{SERVICE}"}}'
        prometheus.comes_to(recorded, lambda value: value is not None)
        assert prometheus.broken_rules() == []

        service.stop()
        prometheus.comes_to(f'up{{job="{SERVICE}"}}', lambda value: value == 0)
        prometheus.comes_to(f'up{{job="{EXPORTER}"}}', lambda value: value == 1)
        again = run(settings, service.port)
        prometheus.comes_to(f'up{{job="{SERVICE}"}}', lambda value: value == 1)
        assert len(list(islice(decisions(again, transaction), 2))) == 2
        prometheus.comes_to(predictions, lambda value: value == 2)
        assert prometheus.value("sum(resets(fraud_prediction_latency_seconds_count[5m]))") == 1
        rose = prometheus.value("sum(increase(fraud_prediction_latency_seconds_count[5m]))")
        assert rose is not None
        assert rose > 0  # the fall to 0 is no fall of what was counted
        assert prometheus.value('ALERTS{alertname="FraudServiceDown", alertstate="firing"}') is None

        write_figures(settings.figures_file, replace(FIGURES, drift=[]))
        prometheus.comes_to("count(feature_distribution_shift)", lambda value: value is None)
        settings.figures_file.write_text("{")
        prometheus.comes_to("fraud_figures_readable", lambda value: value == 0)
        prometheus.comes_to("count(fraud_table_rows)", lambda value: value is None)
    assert exporter.log().count("is not readable") == 1  # though it was asked more often
    assert exporter.stop() == 0
    assert exporter.log().rstrip().endswith("INFO stopped")


def test_told_to_the_exporter_gathers_the_figures_itself(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("PREDICTFLOW_EXPORTER_METRICS_PORT", str(port))
    seen: list[set[str]] = []

    def look_until_it_is_there() -> None:
        end = time.monotonic() + 60
        while read_figures(load_settings().figures_file) is None and time.monotonic() < end:
            time.sleep(0.05)
        with LOOPBACK.open(f"http://127.0.0.1:{port}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            seen.append({family.name for family in families})
        os.kill(os.getpid(), signal.SIGTERM)

    looking = threading.Thread(target=look_until_it_is_there)
    looking.start()
    run_exporter(gather=True)
    looking.join()
    assert {"fraud_figures_timestamp_seconds", "fraud_table_rows"} <= seen[0]
    assert "fraud_days" not in seen[0]  # nothing was landed yet


def test_an_exporter_beside_a_daemon_imports_nothing_heavy() -> None:
    heavy = {"dagster", "polars", "numpy", "pyarrow", "deltalake", "scipy", "xgboost"}
    program = (
        f"import sys, fraud_platform.commands.exporter\nprint(sorted(set(sys.modules) & {heavy!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
