"""Alerts as e-mail."""

import hashlib
import logging
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from fraud_platform.alerts.alert import Alert, DeliveryError
from fraud_platform.settings.alerts import Alerts

_log = logging.getLogger(__name__)


def send_mail(settings: Alerts, receivers: Sequence[str]) -> Callable[[Alert, float], None]:
    """Sends alerts to the receivers, one e-mail for all of them, by the server of the settings."""

    def deliver(alert: Alert, timeout: float) -> None:
        try:
            with _connected(settings, timeout) as server:
                if settings.smtp_user:
                    server.login(settings.smtp_user, settings.smtp_password.reveal())
                refused = server.send_message(_message(settings.mail_from, receivers, alert))
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            raise DeliveryError(
                f"it refuses all of {', '.join(receivers)}", refused=min(codes) >= 500
            ) from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            why = f"it answers {error.smtp_code}: {text}"
            raise DeliveryError(why, refused=error.smtp_code >= 500) from error
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"it can't be reached, or isn't as set: {error}") from error
        for receiver, (code, _) in refused.items():
            _log.warning("the e-mail server refuses %s with %s; the others have it", receiver, code)

    return deliver


def _connected(settings: Alerts, timeout: float) -> smtplib.SMTP:
    cafile = str(settings.smtp_cafile) if settings.smtp_cafile else None
    if settings.smtp_security == "plain":
        return smtplib.SMTP(settings.smtp_host, settings.port, timeout=timeout)
    tls = ssl.create_default_context(cafile=cafile)
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(settings.smtp_host, settings.port, timeout=timeout, context=tls)
    server = smtplib.SMTP(settings.smtp_host, settings.port, timeout=timeout)
    try:
        server.starttls(context=tls)  # raises where it isn't offered, before any login
    except BaseException:
        server.close()
        raise
    return server


def _message(sender: str, receivers: Sequence[str], alert: Alert) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(receivers)
    message["Subject"] = alert.headline
    message["Date"] = format_datetime(alert.when)
    # The same for an alert that is sent twice, by which mail programs show it once.
    same = hashlib.sha256(f"{alert.key} {alert.when} {alert.resolves}".encode()).hexdigest()
    message["Message-ID"] = f"<{same[:32]}@predictflow>"
    message.set_content("\n\n".join(filter(None, (alert.body, alert.link))) + "\n")
    return message
