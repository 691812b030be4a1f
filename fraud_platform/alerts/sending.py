"""Raising an alert, and sending what waits."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec

from fraud_platform.alerts.alert import LONGEST_TEXT, Alert, cut, one_line
from fraud_platform.alerts.delivery import Tried, deliver
from fraud_platform.alerts.redaction import redacted
from fraud_platform.alerts.state import Raised, Sent, State, Waiting, changed
from fraud_platform.alerts.targets import Target, targets
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings.sections import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What sending came to: alerts that targets took, that wait, that were dropped for good.

    `failed` is why, by target; `suppressed` is that the alert was sent a short while ago.
    """

    sent: int = 0
    waiting: int = 0
    dropped: int = 0
    suppressed: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> str:
        """One line for a log."""
        if self.suppressed:
            return "it was sent a short while ago, so it is only counted"
        parts = [f"{self.sent} sent", f"{self.waiting} waiting"]
        if self.dropped:
            parts.append(f"{self.dropped} dropped")
        return ", ".join(parts) + "".join(f"; {name}: {why}" for name, why in self.failed.items())


def send(settings: Settings, alert: Alert) -> Outcome:
    """Tells the targets of an alert, unless one of its key was sent in `alerts.repeat_minutes`.

    A graver one is never held back, and one that resolves is sent only while one of its key stands.
    What waited before goes first. Where a target is down the alert is kept for it; where a process
    or a connection ends halfway it may be told twice. This never raises for a target, a file or a
    disk that fails, as it is called where something failed already, and takes a few seconds at most
    (`alerts.timeout_seconds`, and two more where another process keeps the lock).
    """
    alert = _presentable(settings, alert)
    found = targets(settings.alerts)
    try:
        with changed(settings.alerts_dir) as state:
            if not _take_up(settings, state, alert, found):
                return Outcome(suppressed=True)
    except PredictFlowError as error:
        # A full disk is what one wants to be told of, so the alert goes out without being kept.
        _log.error("alert %s can't be kept for a target that is down: %s", alert.key, error)
        tried = send_now(settings, alert, [one for one in found if one.takes(alert)])
        failed = {name: one.why for name, one in tried.items() if one.why}
        return Outcome(len(tried) - len(failed), dropped=len(failed), failed=failed)
    try:
        return flush(settings)
    except PredictFlowError as error:
        _log.error("alert %s is kept; it wasn't sent, or will be once more: %s", alert.key, error)
        return Outcome(waiting=1, failed={"outbox": str(error)})


def send_now(settings: Settings, alert: Alert, to: Sequence[Target]) -> dict[str, Tried]:
    """Tells these targets without keeping or holding back anything; how each fared, by its name."""
    none = Tried("not tried: there was no time left")
    tried = deliver(settings, {one.name: [(one.name, alert)] for one in to}, to)
    return {one.name: tried.get(one.name, none) for one in to}


def flush(settings: Settings) -> Outcome:
    """Sends what waits, as far as `alerts.timeout_seconds` reach; nothing where nothing waits.

    Raises PredictFlowError where the file of what waits can't be used.
    """
    now = datetime.now(UTC)
    found = targets(settings.alerts)
    with changed(settings.alerts_dir) as state:
        dropped = _drop(settings, state, now)
        claimed = _claim(settings, state, {one.name for one in found}, now)
        waiting = len(state.outbox)
    if not claimed:
        return Outcome(waiting=waiting, dropped=dropped)
    queues = {
        one.name: [(each.id, each.alert) for each in claimed if each.target == one.name]
        for one in found
    }
    tried = deliver(settings, queues, found)
    with changed(settings.alerts_dir) as state:
        _settle(state, {one.id for one in claimed}, tried)
        waiting = len(state.outbox)
    none = Tried()
    failed = {one.target: why for one in claimed if (why := tried.get(one.id, none).why)}
    return Outcome(
        sent=sum(not one.why for one in tried.values()),
        waiting=waiting,
        dropped=dropped,
        failed=failed,
    )


def _take_up(settings: Settings, state: State, alert: Alert, found: Sequence[Target]) -> bool:
    """Puts the alert into the outbox of its targets, unless it is held back."""
    former = state.raised.pop(alert.key, None)
    if alert.resolves:
        if former is None:
            return False
    else:
        repeat = timedelta(minutes=settings.alerts.repeat_minutes)
        # Either way: of two that raise it at once, the later may come to the lock first.
        recent = former and abs(alert.when - former.alert.when) < repeat
        if former and recent and not alert.is_graver_than(former.alert):
            state.raised[alert.key] = former
            former.suppressed += 1
            return False
        alert = msgspec.structs.replace(alert, suppressed=former.suppressed if former else 0)
        state.raised[alert.key] = Raised(alert)
    takers = [one.name for one in found if one.takes(alert)]
    state.outbox += [Waiting(id=uuid4().hex, target=name, alert=alert) for name in takers]
    if not takers:
        _log.warning("alert %s reaches nobody: no target of `alerts` takes it", alert.key)
    return True


def _drop(settings: Settings, state: State, now: datetime) -> int:
    """Takes out what has waited too long, and the oldest of what is too much."""
    oldest = now - timedelta(hours=settings.alerts.outbox_hours)
    kept = [one for one in state.outbox if one.alert.when >= oldest]
    kept = kept[-settings.alerts.outbox_alerts :]
    ids = {one.id for one in kept}
    gone = [one for one in state.outbox if one.id not in ids]
    for one in gone:
        why = one.why or "it was not tried"
        _log.warning("alert %s never reached %s: %s", one.alert.key, one.target, why)
    state.outbox = kept
    state.dropped += len(gone)
    return len(gone)


def _claim(settings: Settings, state: State, names: set[str], now: datetime) -> list[Waiting]:
    """What this process is to send now: the oldest first, and last what was refused before."""
    # Should the process end meanwhile, others take over after that.
    until = now + timedelta(seconds=2 * settings.alerts.timeout_seconds + 5)
    free = [one for one in state.outbox if one.target in names and one.claimed_until <= now]
    for one in free:
        one.claimed_until = until
    return sorted(free, key=lambda one: one.refused)


def _settle(state: State, claimed: set[str], tried: Mapping[str, Tried]) -> None:
    """Takes out what was sent, and notes of the rest how it fared."""
    now = datetime.now(UTC)
    left = []
    for one in state.outbox:
        result = tried.get(one.id)
        if result and not result.why:
            state.sent.append(Sent(now, one.target, one.alert))
            continue
        if one.id in claimed:
            one.claimed_until = now
        if result:
            one.tries, one.why, one.refused = one.tries + 1, result.why, result.refused
        left.append(one)
    state.outbox = left


def _presentable(settings: Settings, alert: Alert) -> Alert:
    """The alert without secrets that an error may have brought into its words, and not too long."""
    return msgspec.structs.replace(
        alert,
        title=one_line(redacted(settings, alert.title)),
        text=cut(redacted(settings, alert.text), LONGEST_TEXT),
        link=one_line(redacted(settings, alert.link), LONGEST_TEXT),
    )
