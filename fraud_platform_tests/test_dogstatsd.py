"""A registry's figures as an agent gets them: by UDP, in datagrams of the length that it takes."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fraud_platform import dogstatsd
from fraud_platform.dogstatsd import DATAGRAM, Agent, DogStatsD, send_gauges
from fraud_platform.settings import Datadog, SettingsError, load_settings
from fraud_platform_tests.statsd import Received, StatsdAgent


@pytest.fixture
def agent() -> Iterator[StatsdAgent]:
    with StatsdAgent() as agent:
        yield agent


def test_gauges_are_sent_as_they_are_with_labels_and_settings_as_tags(agent: StatsdAgent):
    registry = CollectorRegistry()
    shift = Gauge("feature_distribution_shift", "", ["feature"], registry=registry)
    shift.labels("amount").set(0.25)
    shift.labels("odd|name,#\n").set(3)
    Gauge("fraud_drift_judged", "", registry=registry).set(1)
    Gauge("fraud_no_number", "", registry=registry).set(float("nan"))
    Gauge("process_of_others", "", registry=registry).set(7)

    send_gauges(registry, agent.settings(tags="env:test, team:risk"))

    ours = ("env:test", "team:risk")
    assert agent.received(3) == [
        Received("predictflow.feature_distribution_shift", (0.25,), "g", (*ours, "feature:amount")),
        Received(
            "predictflow.feature_distribution_shift", (3,), "g", (*ours, "feature:odd_name___")
        ),
        Received("predictflow.fraud_drift_judged", (1,), "g", ours),
    ]


def test_counters_are_sent_by_what_they_rose_and_under_the_names_of_openmetrics():
    registry = CollectorRegistry()
    given = Counter("fraud_predictions", "", ["prediction"], registry=registry)
    delay = Histogram("fraud_delay_seconds", "", registry=registry)
    lines = DogStatsD(Datadog(host="there"))
    given.labels("fraud").inc(2)
    assert list(lines.lines(registry)) == [
        "predictflow.fraud_predictions.count:2|c|#prediction:fraud"
    ]

    assert list(lines.lines(registry)) == []

    given.labels("fraud").inc(5)
    given.labels("legitimate").inc()
    delay.observe(0.5)
    assert list(lines.lines(registry)) == [
        "predictflow.fraud_predictions.count:5|c|#prediction:fraud",
        "predictflow.fraud_predictions.count:1|c|#prediction:legitimate",
        "predictflow.fraud_delay_seconds.count:1|c",
        "predictflow.fraud_delay_seconds.sum:0.5|c",
    ]


def test_a_model_that_is_in_service_no_more_is_not_sent():
    registry = CollectorRegistry()
    info = Gauge("fraud_model_info", "", ["model_version"], registry=registry)
    info.labels("1").set(0)
    info.labels("2").set(1)
    lines = list(DogStatsD(Datadog(host="there", prefix="risk")).lines(registry))
    assert lines == ["risk.fraud_model_info:1|g|#model_version:2"]


def test_a_moment_is_sent_as_how_long_ago_it_was():
    registry = CollectorRegistry()
    Gauge("fraud_gate_timestamp_seconds", "", registry=registry).set(time.time() - 3600)
    (line,) = DogStatsD(Datadog(host="there")).lines(registry)
    name, _, rest = line.partition(":")
    assert name == "predictflow.fraud_gate_age_seconds"
    assert 3600 <= float(rest.removesuffix("|g")) < 3660


def test_each_timing_arrives_once_in_datagrams_of_one_frame(agent: StatsdAgent):
    settings = agent.settings(tags="env:test")
    lines = DogStatsD(settings, worker="1")
    sent = [number / 10_000 for number in range(1, 3_001)]
    for seconds in sent:
        lines.timing("fraud_prediction_latency_seconds", seconds)

    Agent(settings).send(lines.lines(CollectorRegistry()))

    got = agent.until(lambda got: sum(len(one.values) for one in got) == len(sent))
    assert [value for one in got for value in one.values] == pytest.approx(sent, rel=1e-3)
    assert {(one.kind, one.tags) for one in got} == {("d", ("env:test", "worker:1"))}
    assert max(agent.sizes) <= DATAGRAM
    assert len(agent.sizes) < 25
    assert list(lines.lines(CollectorRegistry())) == []


def test_many_lines_share_datagrams(agent: StatsdAgent):
    registry = CollectorRegistry()
    rows = Gauge("fraud_table_rows", "", ["table"], registry=registry)
    for number in range(200):
        rows.labels(f"table_{number}").set(number)
    send_gauges(registry, agent.settings())
    assert [one.values for one in agent.received(200)] == [(number,) for number in range(200)]
    assert max(agent.sizes) <= DATAGRAM
    assert len(agent.sizes) < 10


def test_an_agent_that_is_away_is_no_fault():
    with StatsdAgent() as gone:
        settings = gone.settings()
    registry = CollectorRegistry()
    Gauge("fraud_drift_judged", "", registry=registry).set(1)
    for _ in range(3):
        send_gauges(registry, settings)


def test_counts_wait_for_a_name_that_is_not_found_yet(
    agent: StatsdAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    registry = CollectorRegistry()
    given = Counter("fraud_batches", "", registry=registry)
    lines, to = DogStatsD(Datadog()), Agent(agent.settings(host="agent.invalid"))
    found = socket.getaddrinfo("127.0.0.1", agent.port, type=socket.SOCK_DGRAM)
    answers: list[object] = [
        socket.gaierror("not known"),
        socket.gaierror("not known"),
        found,
        found,
    ]

    def look_up(host: str, port: int, **options: object) -> object:
        assert (host, port) == ("agent.invalid", agent.port)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(dogstatsd.socket, "getaddrinfo", look_up)
    for _ in range(4):
        given.inc()
        to.send(lines.lines(registry))

    assert [one.values for one in agent.received(2)] == [(3,), (1,)]
    assert len(re.findall("agent.invalid.* not known", caplog.text)) == 1


def test_a_look_up_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch):
    asked, answer = threading.Event(), threading.Event()

    def hangs(*_: object, **__: object) -> None:
        asked.set()
        answer.wait(60)
        raise socket.gaierror("not known")

    monkeypatch.setattr(dogstatsd.socket, "getaddrinfo", hangs)
    started = time.monotonic()
    send_gauges(CollectorRegistry(), Datadog(host="slow.invalid"), wait_s=0.05)
    took = time.monotonic() - started
    assert asked.is_set()
    answer.set()
    assert took < 30


def test_a_host_that_is_no_name_is_said_and_no_fault(caplog: pytest.LogCaptureFixture):
    send_gauges(CollectorRegistry(), Datadog(host="no..name"))
    assert "no..name" in caplog.text


def test_nothing_is_sent_without_a_host(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dogstatsd, "Agent", None)
    send_gauges(CollectorRegistry(), Datadog())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TAGS", "env:prod,risk", "setting datadog.tags: 'risk' is no tag; expected name:value"),
        ("TAGS", "env:a|b", "setting datadog.tags: 'env:a|b' is no tag"),
        ("PREFIX", "a-b", "setting datadog.prefix: 'a-b' is no beginning of a name"),
    ],
)
def test_settings_that_would_break_a_line_are_refused(name: str, value: str, said: str):
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_settings({f"PREDICTFLOW_DATADOG_{name}": value})
