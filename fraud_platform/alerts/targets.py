"""Who is told: each target of the settings, with the channels that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from fraud_platform.alerts.alert import CHANNELS, SEVERITIES, Alert, Channel
from fraud_platform.alerts.mail import send_mail
from fraud_platform.alerts.webhooks import post_event, post_message
from fraud_platform.settings.alerts import Alerts, Severity, addresses

Deliver = Callable[[Alert, float], None]


@dataclass(frozen=True)
class Target:
    """Where alerts of some channels go. `deliver` takes an alert and seconds of patience.

    It raises DeliveryError where the target didn't take the alert.
    """

    name: str
    channels: tuple[Channel, ...]
    deliver: Deliver
    least: Severity = "info"

    def takes(self, alert: Alert) -> bool:
        """Whether it is to be told of this."""
        grave = SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.least)
        return alert.channel in self.channels and grave


def targets(settings: Alerts) -> list[Target]:
    """The targets that are set; what data quality has no target of its own for is everybody's."""
    urls = settings.webhook_url, settings.data_quality_webhook_url
    posts = [post_message(url) if url else None for url in urls]
    found = _by_channel("webhook", *posts)
    if settings.smtp_host:
        receivers = addresses(settings.mail_to), addresses(settings.data_quality_mail_to)
        found += _by_channel("mail", *(send_mail(settings, to) if to else None for to in receivers))
    if settings.pagerduty_key:
        event = post_event(settings.pagerduty_url, settings.pagerduty_key)
        found.append(Target("pagerduty", CHANNELS, event, settings.pagerduty_from))
    return found


def _by_channel(kind: str, general: Deliver | None, data_quality: Deliver | None) -> list[Target]:
    found = []
    if general:
        found.append(Target(kind, ("operations",) if data_quality else CHANNELS, general))
    if data_quality:
        found.append(Target(f"data_quality {kind}", ("data_quality",), data_quality))
    return found
