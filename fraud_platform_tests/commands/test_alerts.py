"""`predictflow alerts`: targets tried, what was sent and what waits, by real servers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fraud_platform.alerts.sending import send
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import load_settings
from fraud_platform_tests.alerts.raised import HOOK_PATH, KEY, alert
from fraud_platform_tests.alerts.servers import HttpServer, SmtpServer
from fraud_platform_tests.commands.conftest import Command

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def set_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets settings of `alerts` in the environment."""

    def to(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"PREDICTFLOW_ALERTS_{name.upper()}", str(value))

    return to


def test_the_test_tries_each_target_and_says_how_it_fared(
    command: Command, document: Document, set_to: Callable[..., None]
) -> None:
    with HttpServer() as hook, HttpServer(status=202) as pager, SmtpServer() as mail:
        set_to(webhook_url=hook.url + HOOK_PATH, pagerduty_url=pager.url, pagerduty_key=KEY)
        set_to(smtp_host="127.0.0.1", smtp_port=mail.port, smtp_security="plain")
        set_to(mail_from="a@b", mail_to="c@d", data_quality_mail_to="e@f")
        targets = document("alerts", "test")["targets"]
        hook.status = 404
        failed = command("alerts", "test")
        failed_json = command("alerts", "test", "--json")
    names = ["webhook", "mail", "data_quality mail", "pagerduty"]
    assert targets == [{"target": name, "sent": True, "why": ""} for name in names]
    assert [event["event_action"] for _, event in pager.posts[:2]] == ["trigger", "resolve"]
    assert pager.posts[0][1]["dedup_key"] == pager.posts[1][1]["dedup_key"]
    assert "A test of PredictFlow's alerts" in hook.texts[0]
    assert [receivers for receivers, _ in mail.mails[:2]] in (
        [["c@d"], ["e@f"]],
        [["e@f"], ["c@d"]],
    )
    assert failed.exit_code == failed_json.exit_code == 1
    assert "it answers 404: ok" in failed.stdout
    first = json.loads(failed_json.stdout)["targets"][0]
    assert first == {"target": "webhook", "sent": False, "why": "it answers 404: ok"}
    for secret in (HOOK_PATH, KEY):
        assert secret not in failed.output + failed_json.output


def test_a_test_without_targets_says_what_to_set(command: Command) -> None:
    done = command("alerts", "test")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no target is set: set PREDICTFLOW_ALERTS_WEBHOOK_URL" in done.stderr


def test_what_waits_is_listed_and_flushed_when_its_target_is_back(
    command: Command, document: Document, set_to: Callable[..., None]
) -> None:
    assert command("alerts", "list").stdout == "No alert was sent, and none waits.\n"
    assert command("alerts", "flush").stdout == "0 sent, 0 waiting\n"
    port = free_port()
    set_to(webhook_url=f"http://127.0.0.1:{port}{HOOK_PATH}", outbox_alerts=2)
    for n in range(3):
        send(load_settings(), alert(key=f"k{n}", title=f"[red]fault {n}"))
    still = command("alerts", "flush")
    assert still.exit_code == 1
    assert still.stdout.startswith("0 sent, 2 waiting; webhook: it can't be reached: ")
    shown = command("alerts", "list")
    assert "2 waiting" in shown.stdout
    assert "[error] [red]fault 2" in shown.stdout
    assert "1 never reached their target and were dropped." in shown.stdout
    waits = document("alerts", "list")
    assert [one["alert"]["key"] for one in waits["waiting"]] == ["k1", "k2"]
    assert (waits["sent"], waits["dropped"]) == ([], 1)

    with HttpServer(port):
        done = document("alerts", "flush")
    assert (done["sent"], done["waiting"], done["failed"]) == (2, 0, {})
    listed = document("alerts", "list", "--limit", "1")
    assert [one["alert"]["key"] for one in listed["sent"]] == ["k2"]  # the newest
    assert listed["waiting"] == []
    last = command("alerts", "list")
    assert "Sent" in last.stdout
    for one in (still, shown, last):
        assert HOOK_PATH not in one.output


def test_an_alert_is_taken_back_by_its_key(
    command: Command, document: Document, set_to: Callable[..., None]
) -> None:
    with HttpServer(status=202) as pager:
        set_to(pagerduty_url=pager.url, pagerduty_key=KEY)
        send(load_settings(), alert())
        assert document("alerts", "resolve", alert().key)["sent"] == 1
        again = command("alerts", "resolve", alert().key)
    assert [event["event_action"] for _, event in pager.posts] == ["trigger", "resolve"]
    assert again.exit_code == 1
    assert "no alert with the key 'run_failed/daily/fraud_model' stands" in again.stderr
