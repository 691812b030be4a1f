"""Whom the platform tells that something is wrong, and how often."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from fraud_platform.settings.base import NotNegative, Positive, Secret, Section

Severity = Literal["info", "warning", "error", "critical"]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PORTS = {"starttls": 587, "tls": 465, "plain": 25}


class Alerts(Section, frozen=True):
    """Targets of alerts; without any they are only listed. `predictflow alerts test` tries them."""

    on: bool = False
    """Whether Dagster's sensors that alert run from the start; in its pages each can be switched
    on and off whatever this says."""
    repeat_minutes: NotNegative = 60
    """How long an alert that is raised again is only counted; 0 sends each."""
    timeout_seconds: Annotated[float, Meta(gt=0, le=30)] = 5.0
    """How long sending may hold up who raised an alert, all targets together."""
    outbox_alerts: Positive = 1000
    """How many alerts wait at most for targets that are down; past that the oldest are dropped."""
    outbox_hours: Positive = 72
    """How long one waits at most."""
    made_by: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "04:00"
    """When the day before should be made, in UTC; people are told of one that isn't."""

    webhook_url: Secret = Secret()
    """Slack's incoming webhook, or one that takes the same (Mattermost, Rocket.Chat)."""
    data_quality_webhook_url: Secret = Secret()
    """The same for what the data-quality channel is told; by default `webhook_url`."""

    pagerduty_key: Secret = Secret()
    """Integration key of PagerDuty's Events API v2, or of what takes its events."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    pagerduty_from: Severity = "error"
    """The least severity that PagerDuty is told of."""

    smtp_host: str = ""
    """The server that takes e-mail; without it there is none."""
    smtp_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """By default 587 with `starttls`, 465 with `tls`, 25 with `plain`."""
    smtp_security: Literal["starttls", "tls", "plain"] = "starttls"
    smtp_cafile: Path | None = None
    """Certificates (PEM) that the server's is checked against; by default the system's."""
    smtp_user: str = ""
    """User of the login, where the server asks for one."""
    smtp_password: Secret = Secret()
    mail_from: str = ""
    mail_to: str = ""
    """Addresses with commas between them."""
    data_quality_mail_to: str = ""
    """The same for what the data-quality channel is told; by default `mail_to`."""

    @property
    def port(self) -> int:
        return self.smtp_port or _PORTS[self.smtp_security]


def addresses(given: str) -> list[str]:
    """The addresses of a setting with commas between them."""
    return [part.strip() for part in given.split(",") if part.strip()]


def faults(alerts: Alerts) -> Iterator[str]:
    """What can't be of these settings, each as `name: value; mend`, and no secret shown."""
    urls = {
        "webhook_url": alerts.webhook_url.reveal(),
        "data_quality_webhook_url": alerts.data_quality_webhook_url.reveal(),
        "pagerduty_url": alerts.pagerduty_url,
    }
    for name, url in urls.items():
        if url and not _is_safe(url):
            yield f"{name}: no https:// address (http:// does on this machine); a secret is sent it"
    if alerts.pagerduty_key and not alerts.pagerduty_url:
        yield "pagerduty_url: not set while alerts.pagerduty_key is; leave it at its default"
    if alerts.smtp_host:
        yield from _mail_faults(alerts)


def _mail_faults(alerts: Alerts) -> Iterator[str]:
    if bool(alerts.smtp_user) != bool(alerts.smtp_password):
        yield "smtp_user: it and PREDICTFLOW_ALERTS_SMTP_PASSWORD go together; set both or neither"
    if alerts.smtp_user and alerts.smtp_security == "plain" and alerts.smtp_host not in _LOOPBACK:
        yield "smtp_security: plain would send the password readable; set starttls or tls"
    if not addresses(alerts.mail_from):
        yield "mail_from: not set while alerts.smtp_host is; say who the e-mail is from"
    if not addresses(alerts.mail_to + "," + alerts.data_quality_mail_to):
        yield "mail_to: not set while alerts.smtp_host is; say whom to write to"
    for name in ("mail_from", "mail_to", "data_quality_mail_to"):
        for one in addresses(getattr(alerts, name)):
            user, _, host = one.partition("@")
            plain = one.isascii() and one.isprintable() and " " not in one
            if not (user and host and plain) or "@" in host:
                yield f"{name}: {one!r} is no address; expected the form user@host"


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not (url.isascii() and url.isprintable() and " " not in url and parts.hostname):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
