"""Alerts over HTTP: Slack-compatible messages, and events of PagerDuty's Events API v2."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec

from fraud_platform.alerts.alert import Alert, DeliveryError, cut
from fraud_platform.settings.base import Secret

_MOST_SAID = 200


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is secret goes to the address that was set, and to no other that it names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post_message(url: Secret) -> Callable[[Alert, float], None]:
    """Posts alerts as messages to Slack's incoming webhook, or one that takes the same."""

    def deliver(alert: Alert, timeout: float) -> None:
        said = f"*{_escaped(alert.headline)}*\n{_escaped(alert.body)}"
        link = f"\n<{alert.link}|Open it>" if alert.link else ""
        _post(url.reveal(), {"text": said + link}, timeout)

    return deliver


def post_event(url: str, key: Secret) -> Callable[[Alert, float], None]:
    """Posts alerts as events that trigger an incident, or resolve it, by the alert's key.

    https://developer.pagerduty.com/docs/events-api-v2/overview/
    """

    def deliver(alert: Alert, timeout: float) -> None:
        event: dict[str, Any] = {
            "routing_key": key.reveal(),
            "event_action": "resolve" if alert.resolves else "trigger",
            "dedup_key": alert.key,
        }
        if not alert.resolves:
            event["client"] = "PredictFlow"
            event["links"] = [{"href": alert.link, "text": "Open it"}] if alert.link else []
            event["payload"] = {
                "summary": alert.title,
                "source": socket.gethostname(),
                "severity": alert.severity,
                "timestamp": alert.when.isoformat(),
                "group": alert.channel,
                "custom_details": {"text": alert.body},
            }
        _post(url, event, timeout)

    return deliver


def _escaped(text: str) -> str:
    """Slack's own escapes, without which data in a text could make links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post(url: str, document: dict[str, Any], timeout: float) -> None:
    request = urllib.request.Request(  # noqa: S310 - the settings take http and https only
        url, msgspec.json.encode(document), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout) as answer:
            answer.read(_MOST_SAID)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(_MOST_SAID).decode(errors="replace").strip()
        why = f"it answers {error.code}" + (f": {cut(said, _MOST_SAID)}" if said else "")
        passes = error.code >= 500 or error.code in (408, 429)
        raise DeliveryError(why, refused=not passes) from error
    except OSError as error:
        raise DeliveryError(f"it can't be reached: {getattr(error, 'reason', error)}") from error
    except http.client.HTTPException as error:
        raise DeliveryError(f"its answer is no HTTP: {type(error).__name__}") from error
