"""`predictflow alerts`: the targets tried, what was sent, what waits."""

import sys
from datetime import UTC, datetime
from uuid import uuid4

import click
import msgspec

from fraud_platform.alerts.alert import CHANNELS, Alert
from fraud_platform.alerts.sending import Outcome, flush, send, send_now
from fraud_platform.alerts.state import read_state
from fraud_platform.alerts.targets import targets
from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import load_settings


def run_test(*, as_json: bool) -> None:
    settings = load_settings()
    found = targets(settings.alerts)
    if not found:
        raise PredictFlowError(
            "no target is set: set PREDICTFLOW_ALERTS_WEBHOOK_URL, PREDICTFLOW_ALERTS_SMTP_HOST or "
            "PREDICTFLOW_ALERTS_PAGERDUTY_KEY"
        )
    alert = Alert(
        key=f"test/{uuid4()}",
        severity="info",
        channel=CHANNELS[0],
        title="A test of PredictFlow's alerts",
        text="Nothing is wrong: somebody ran `predictflow alerts test`.",
        link=settings.dagster_url,
        when=datetime.now(UTC),
    )
    tried = send_now(settings, alert, found)
    pager = [one for one in found if one.name == "pagerduty" and not tried[one.name].why]
    over = msgspec.structs.replace(alert, resolves=True)
    tried |= send_now(settings, over, pager)
    if as_json:
        rows = [
            {"target": name, "sent": not one.why, "why": one.why} for name, one in tried.items()
        ]
        console.emit({"targets": rows})
    else:
        rows = [(name, console.plain(one.why or "sent")) for name, one in tried.items()]
        console.table("Test of alerts", ("target", "came to"), rows, unfolded=("target",))
    if any(one.why for one in tried.values()):
        sys.exit(1)


def run_list(limit: int, *, as_json: bool) -> None:
    state = read_state(load_settings().alerts_dir)
    sent, waiting = state.sent[: -limit - 1 : -1], state.outbox
    if as_json:
        document = {"sent": sent, "waiting": waiting, "dropped": state.dropped}
        console.emit(msgspec.to_builtins(document))
        return
    if not (sent or waiting):
        click.echo("No alert was sent, and none waits.")
    if sent:
        rows = [
            (f"{one.when:%Y-%m-%d %H:%M:%S}", one.target, *_shown(one.alert), one.alert.link)
            for one in sent
        ]
        columns = ("when (UTC)", "target", "alert", "key", "link")
        console.table("Sent", columns, rows, unfolded=("when (UTC)",))
    if waiting:
        rows = [
            (
                f"{one.alert.when:%Y-%m-%d %H:%M:%S}",
                one.target,
                *_shown(one.alert),
                one.tries,
                console.plain(one.why),
            )
            for one in waiting[:limit]
        ]
        columns = ("since (UTC)", "target", "alert", "key", "tries", "why")
        console.table(f"{len(waiting)} waiting", columns, rows, unfolded=("since (UTC)",))
    if state.dropped:
        click.echo(f"{state.dropped} never reached their target and were dropped.")


def run_flush(*, as_json: bool) -> None:
    settings = load_settings()
    done = flush(settings)
    while done.waiting and not done.failed:
        more = flush(settings)
        if not (more.sent or more.dropped or more.failed):
            break  # the rest is another process's, or of a target that isn't set any more
        done = Outcome(
            done.sent + more.sent, more.waiting, done.dropped + more.dropped, failed=more.failed
        )
    _tell(done, as_json=as_json)
    if done.waiting:
        sys.exit(1)


def run_resolve(key: str, *, as_json: bool) -> None:
    settings = load_settings()
    former = read_state(settings.alerts_dir).raised.get(key)
    if former is None:
        raise PredictFlowError(
            f"no alert with the key {key!r} stands; `predictflow alerts list` shows the keys"
        )
    over = msgspec.structs.replace(
        former.alert, resolves=True, text="", suppressed=0, when=datetime.now(UTC)
    )
    _tell(send(settings, over), as_json=as_json)


def _tell(done: Outcome, *, as_json: bool) -> None:
    if as_json:
        console.emit(msgspec.to_builtins(done))
    else:
        click.echo(done.told())


def _shown(alert: Alert) -> tuple[str, str]:
    return console.plain(alert.headline), console.plain(alert.key)
