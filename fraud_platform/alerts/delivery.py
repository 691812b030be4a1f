"""Telling targets within a time: all at once, and those that hang are left behind."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fraud_platform.alerts.alert import Alert, DeliveryError, one_line
from fraud_platform.alerts.redaction import redacted
from fraud_platform.alerts.targets import Target
from fraud_platform.settings.sections import Settings


@dataclass(frozen=True)
class Tried:
    """How telling a target fared; `why` is empty where it took the alert."""

    why: str = ""
    refused: bool = False


def deliver(
    settings: Settings, queues: Mapping[str, Sequence[tuple[str, Alert]]], found: Sequence[Target]
) -> dict[str, Tried]:
    """Tells each target its alerts in turn; how each that was tried fared, by its id.

    It takes `alerts.timeout_seconds` at most. A target that is down isn't tried with the next
    alert; one that refuses an alert is. No text shows a secret.
    """
    patience = settings.alerts.timeout_seconds
    until = time.monotonic() + patience
    results: dict[str, Tried] = {}
    threads = {
        target.name: threading.Thread(
            # A time-out of a socket counts from its last byte, and finding a name has none at all:
            # so the thread is left behind, and doesn't keep the process from ending.
            target=_tell,
            args=(settings, target, queues[target.name], until, results),
            daemon=True,
        )
        for target in found
        if queues.get(target.name)
    }
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, until - time.monotonic()))
    done = results.copy()
    for name, thread in threads.items():
        if thread.is_alive():
            hanging = next((id_ for id_, _ in queues[name] if id_ not in done), None)
            if hanging:
                done[hanging] = Tried(f"no answer within {patience:g} s")
    return done


def _tell(
    settings: Settings,
    target: Target,
    queue: Sequence[tuple[str, Alert]],
    until: float,
    results: dict[str, Tried],
) -> None:
    for id_, alert in queue:
        left = until - time.monotonic()
        if left <= 0:
            return
        try:
            target.deliver(alert, left)
        except DeliveryError as error:
            said = one_line(redacted(settings, str(error)))
            results[id_] = Tried(said, error.refused)
            if not error.refused:
                return
        else:
            results[id_] = Tried()
