"""What each target is sent, by real servers: a webhook, PagerDuty's events, e-mail."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fraud_platform.alerts.alert import Alert
from fraud_platform.alerts.sending import Tried, send_now
from fraud_platform.alerts.targets import targets
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Secret, Settings, SettingsError, load_settings
from fraud_platform_tests.alerts.raised import HOOK_PATH, KEY, alert, settings
from fraud_platform_tests.alerts.servers import HttpServer, SmtpServer
from fraud_platform_tests.certificates import authority

WHEN = datetime(2026, 4, 10, 2, 5, tzinfo=UTC)
PASSWORD = "p:ss w%rd&"


def told(found: Settings, said: Alert) -> dict[str, Tried]:
    return send_now(found, said, [one for one in targets(found.alerts) if one.takes(said)])


def test_a_webhook_is_sent_what_slack_takes(tmp_path: Path) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url)
        said = alert(title="a <b> & c", when=WHEN, suppressed=3)
        assert told(found, said) == {"webhook": Tried()}
    assert hook.posts == [
        (
            HOOK_PATH,
            {
                "text": "*[error] a &lt;b&gt; &amp; c*\nfraud_model: no label is known\n"
                "Raised 3 times more since it was last sent.\n"
                "2026-04-10 02:05:00 UTC, operations, run_failed/daily/fraud_model\n"
                "<http://dagster:3000/runs/1|Open it>"
            },
        )
    ]


def test_pagerduty_is_told_of_an_incident_and_of_its_end(tmp_path: Path) -> None:
    with HttpServer(status=202) as pager:
        found = settings(tmp_path, pager=pager.url)
        for resolves in (False, True):
            told(found, alert(when=WHEN, severity="critical", resolves=resolves))
    (path, event), (_, over) = pager.posts
    assert path == "/v2/enqueue"
    key = {"routing_key": KEY, "dedup_key": "run_failed/daily/fraud_model"}
    assert over == key | {"event_action": "resolve"}
    assert event | key | {"event_action": "trigger"} == event
    assert event["links"] == [{"href": "http://dagster:3000/runs/1", "text": "Open it"}]
    payload = event["payload"]
    assert payload["summary"] == "Job daily failed of 2026-04-09"
    assert (payload["severity"], payload["group"]) == ("critical", "operations")
    assert payload["timestamp"] == "2026-04-10T02:05:00+00:00"
    assert "no label is known" in payload["custom_details"]["text"]


@pytest.mark.parametrize(
    ("severity", "least", "is_told"),
    [("warning", "error", False), ("error", "error", True), ("info", "info", True)],
)
def test_pagerduty_is_told_from_a_severity_on(
    tmp_path: Path, severity: Any, least: str, is_told: bool
) -> None:
    found = settings(tmp_path, pager="http://127.0.0.1:1", pagerduty_from=least)
    (pager,) = targets(found.alerts)
    assert pager.takes(alert(severity=severity)) == is_told


def test_data_quality_has_targets_of_its_own_where_they_are_set(tmp_path: Path) -> None:
    def names(channel: Any, **alerts: Any) -> list[str]:
        found = targets(settings(tmp_path, "http://127.0.0.1:1", **alerts).alerts)
        return [one.name for one in found if one.takes(alert(channel=channel))]

    mail = {"smtp_host": "127.0.0.1", "mail_from": "a@b", "mail_to": "c@d"}
    own = {
        "data_quality_webhook_url": Secret("http://127.0.0.1:1/b"),
        "data_quality_mail_to": "e@f",
    }
    assert names("operations", **mail) == names("data_quality", **mail) == ["webhook", "mail"]
    assert names("operations", **mail, **own) == ["webhook", "mail"]
    both = ["data_quality webhook", "data_quality mail"]
    assert names("data_quality", **mail, **own) == both


@pytest.mark.parametrize("security", ["plain", "starttls", "tls"])
def test_an_e_mail_arrives_whole_whatever_the_connection(tmp_path: Path, security: str) -> None:
    context, cafile = tls(tmp_path)
    with SmtpServer(
        None if security == "plain" else context, implicit=security == "tls", password=PASSWORD
    ) as server:
        found = mailing(
            tmp_path,
            server.port,
            smtp_security=security,
            smtp_cafile=cafile,
            smtp_user="predictflow",
            smtp_password=Secret(PASSWORD),
        )
        said = alert(title="Zahlungen über 400 €", text=".\nlong " + "ä" * 1200, when=WHEN)
        assert told(found, said) == {"mail": Tried()}
    assert server.logins == [("predictflow", PASSWORD, security != "plain")]
    ((receivers, mail),) = server.mails
    assert receivers == ["ops@example.com", "ml@example.com"]
    assert mail["Subject"] == "[error] Zahlungen über 400 €"
    assert (mail["From"], mail["To"]) == ("pf@example.com", "ops@example.com, ml@example.com")
    assert mail["Date"].datetime == WHEN
    text = mail.get_content()
    assert text.startswith(".\nlong " + "ä" * 1200 + "\n")
    assert text.endswith("\n\nhttp://dagster:3000/runs/1\n")


def test_no_password_goes_to_a_server_without_or_with_another_encryption(tmp_path: Path) -> None:
    context, _ = tls(tmp_path)
    _, stranger = tls(tmp_path / "other")
    for offered, says in ((None, "STARTTLS"), (context, "CERTIFICATE_VERIFY_FAILED")):
        with SmtpServer(offered) as server:
            found = mailing(
                tmp_path,
                server.port,
                smtp_cafile=stranger,
                smtp_user="predictflow",
                smtp_password=Secret(PASSWORD),
            )
            assert says in told(found, alert())["mail"].why
        assert (server.logins, server.mails) == ([], [])


def test_who_is_refused_keeps_nobody_else_from_the_e_mail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SmtpServer(refused="ops@") as server:
        found = mailing(tmp_path, server.port, smtp_security="plain")
        assert told(found, alert()) == {"mail": Tried()}
        only = mailing(tmp_path, server.port, smtp_security="plain", mail_to="ops@example.com")
        refused = told(only, alert())["mail"]
    assert "refuses ops@example.com with 550" in caplog.text
    assert refused == Tried("it refuses all of ops@example.com", refused=True)
    assert [receivers for receivers, _ in server.mails] == [["ml@example.com"]]


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (302, True), (404, True), (429, False), (408, False), (503, False)],
)
def test_an_answer_is_told_and_no_secret_of_it_or_of_the_address(
    tmp_path: Path, status: int, refused: bool
) -> None:
    with HttpServer(status=status, answer=f"no hook {HOOK_PATH} of {KEY}") as server:
        tried = told(settings(tmp_path, server.url, server.url), alert())
    why = f"it answers {status}: no hook ******** of ********"
    assert tried == {"webhook": Tried(why, refused), "pagerduty": Tried(why, refused)}
    assert len(server.posts) == 2


def test_a_login_that_is_refused_shows_no_password(tmp_path: Path) -> None:
    context, cafile = tls(tmp_path)
    with SmtpServer(context, password="another") as server:
        found = mailing(
            tmp_path,
            server.port,
            smtp_cafile=cafile,
            smtp_user="predictflow",
            smtp_password=Secret(PASSWORD),
        )
        tried = told(found, alert())["mail"]
    assert tried == Tried("it answers 535: ******** is wrong", refused=True)


def test_nobody_there_is_told_of_each_target(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    mail = {"smtp_host": "127.0.0.1", "smtp_port": free_port(), "mail_from": "a@b"}
    found = settings(tmp_path, url, url, **mail, mail_to="c@d")
    tried = told(found, alert())
    assert tried.keys() == {"webhook", "mail", "pagerduty"}
    assert all("Connection refused" in one.why and not one.refused for one in tried.values())


MAIL = {"SMTP_HOST": "mail", "MAIL_FROM": "a@b", "MAIL_TO": "c@d"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"WEBHOOK_URL": "http://hooks.example.com/s3cr3t"}, "webhook_url: no https://"),
        ({"WEBHOOK_URL": "https://hooks.example.com/s3cr3t x"}, "webhook_url: no https://"),
        ({"WEBHOOK_URL": "https://[s3cr3t"}, "webhook_url: no https://"),
        ({"DATA_QUALITY_WEBHOOK_URL": "s3cr3t"}, "data_quality_webhook_url: no https://"),
        ({"PAGERDUTY_URL": "ftp://events"}, "pagerduty_url: no https://"),
        ({"PAGERDUTY_URL": "", "PAGERDUTY_KEY": "s3cr3t"}, "pagerduty_url: not set"),
        ({"SMTP_HOST": "mail", "MAIL_TO": "a@b"}, "mail_from: not set"),
        ({"SMTP_HOST": "mail", "MAIL_FROM": "a@b"}, "mail_to: not set"),
        ({**MAIL, "MAIL_TO": "c@d,nobody"}, "mail_to: 'nobody' is no address"),
        ({**MAIL, "MAIL_FROM": "a@b\nBcc: x@y"}, "mail_from: 'a@b\\nBcc: x@y' is no address"),
        ({**MAIL, "SMTP_USER": "me"}, "smtp_user: it and PREDICTFLOW_ALERTS_SMTP_PASSWORD"),
        (
            {**MAIL, "SMTP_USER": "me", "SMTP_PASSWORD": "s3cr3t", "SMTP_SECURITY": "plain"},
            "smtp_security: plain would send the password readable",
        ),
        ({"TIMEOUT_SECONDS": "0"}, "timeout_seconds"),
    ],
)
def test_a_target_that_cannot_be_is_refused_and_no_secret_shown(
    given: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({f"PREDICTFLOW_ALERTS_{name}": value for name, value in given.items()})
    assert "setting alerts." in str(caught.value)
    assert says in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_secrets_of_targets_are_refused_in_a_file(tmp_path: Path) -> None:
    config = tmp_path / "predictflow.toml"
    names = ("webhook_url", "data_quality_webhook_url", "pagerduty_key", "smtp_password")
    for name in names:
        config.write_text(f'[alerts]\n{name} = "s3cr3t"\n')
        with pytest.raises(SettingsError, match=f"PREDICTFLOW_ALERTS_{name.upper()}"):
            load_settings({}, config)


def mailing(directory: Path, port: int, **alerts: Any) -> Settings:
    mail = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "mail_from": "pf@example.com",
        "mail_to": "ops@example.com, ml@example.com",
    }
    return settings(directory, **mail | alerts)


def tls(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS, and the file of the authority that vouches for it."""
    directory.mkdir(exist_ok=True)
    by = authority()
    key, certificate = by.server()
    (directory / "server.pem").write_text(key + certificate)
    (directory / "ca.pem").write_bytes(by.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context, directory / "ca.pem"
