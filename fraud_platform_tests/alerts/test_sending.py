"""An alert is told once, kept for a target that is down, and never in the way of who raised it."""

import fcntl
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from fraud_platform.alerts.sending import Outcome, flush, send
from fraud_platform.alerts.state import MOST_KEYS, Raised, Waiting, changed, read_state
from fraud_platform.errors import PredictFlowError
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Online, Secret, Settings
from fraud_platform_tests.alerts.raised import HOOK_PATH, KEY, alert, settings
from fraud_platform_tests.alerts.servers import HangingServer, HttpServer

NOW = datetime.now(UTC)


def waiting(found: Settings) -> list[Waiting]:
    return read_state(found.alerts_dir).outbox


def test_an_alert_raised_again_is_counted_and_sent_when_its_time_has_passed(
    tmp_path: Path,
) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url, repeat_minutes=30)
        told = [
            send(found, alert(when=NOW + timedelta(minutes=minutes))).suppressed
            for minutes in (0, 1, 29, 30, 59, 60)
        ]
        other = send(found, alert(key="another", when=NOW + timedelta(minutes=1)))
    assert told == [False, True, True, False, True, False]
    assert other == Outcome(sent=1)
    again = ["Raised 2 times more" in hook.texts[1], "Raised 1 times more" in hook.texts[2]]
    assert (len(hook.posts), *again) == (4, True, True)


def test_nothing_is_held_back_where_that_is_set_or_the_clock_went_back(tmp_path: Path) -> None:
    with HttpServer() as hook:
        each = settings(tmp_path / "each", hook.url, repeat_minutes=0)
        assert [send(each, alert()).sent for _ in range(3)] == [1, 1, 1]
        back = settings(tmp_path / "back", hook.url)
        assert send(back, alert(when=NOW)).sent == 1
        assert send(back, alert(when=NOW - timedelta(hours=2))).sent == 1


def test_what_becomes_graver_is_not_held_back(tmp_path: Path) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url)
        told = [
            send(found, alert(severity=severity)).suppressed
            for severity in ("warning", "warning", "error", "warning", "error", "critical")
        ]
    assert told == [False, True, False, True, True, False]
    assert len(hook.posts) == 3


def test_what_is_over_is_told_once_and_the_next_alert_goes_out_at_once(tmp_path: Path) -> None:
    with HttpServer(status=202) as pager:
        found = settings(tmp_path, pager=pager.url)
        outcomes = [
            send(found, alert(resolves=resolves))
            for resolves in (True, False, False, True, True, False)
        ]
    assert [one.sent for one in outcomes] == [0, 1, 0, 1, 0, 1]
    actions = [event["event_action"] for _, event in pager.posts]
    assert actions == ["trigger", "resolve", "trigger"]


def test_a_target_that_was_down_is_told_later_what_waited_first(tmp_path: Path) -> None:
    port = free_port()
    with HttpServer(status=202) as pager:
        found = settings(tmp_path, f"http://127.0.0.1:{port}", pager.url)
        for n in range(3):
            down = send(found, alert(key=f"k{n}", title=f"fault {n}"))
            assert (down.sent, down.waiting) == (1, n + 1)
            assert "Connection refused" in down.failed["webhook"]
        kept = waiting(found)
        assert [(one.target, one.alert.key, one.tries) for one in kept] == [
            ("webhook", "k0", 3),
            ("webhook", "k1", 0),  # a target that is down isn't tried with each
            ("webhook", "k2", 0),
        ]
        with HttpServer(port) as hook:
            assert send(found, alert(key="k3", title="fault 3")) == Outcome(sent=5)
    assert [text.splitlines()[0] for text in hook.texts] == [
        f"*[error] fault {n}*" for n in range(4)
    ]
    assert len(pager.posts) == 4
    state = read_state(found.alerts_dir)
    assert (state.outbox, len(state.sent), state.dropped) == ([], 8, 0)


def test_an_alert_that_is_refused_stands_in_no_others_way(tmp_path: Path) -> None:
    with HttpServer(status=400, answer="invalid_payload") as hook:
        found = settings(tmp_path, hook.url)
        assert send(found, alert(key="k0")).failed == {"webhook": "it answers 400: invalid_payload"}
        hook.status = 200
        assert send(found, alert(key="k1")) == Outcome(sent=2)
    keys = [text.splitlines()[-2].split()[-1] for text in hook.texts]
    assert keys == ["k0", "k1", "k0"]


@pytest.mark.parametrize("drips", [False, True])
def test_a_hanging_target_holds_up_no_longer_than_the_time_out(tmp_path: Path, drips: bool) -> None:
    with HangingServer(drips=drips) as hanging, HttpServer() as pager:
        mail = {"smtp_host": "127.0.0.1", "smtp_port": hanging.port, "mail_from": "a@b"}
        found = settings(
            tmp_path,
            f"http://127.0.0.1:{hanging.port}",
            pager.url,
            timeout_seconds=1,
            mail_to="c@d",
            **mail,
        )
        began = time.monotonic()
        done = send(found, alert())
        took = time.monotonic() - began
    assert 0.9 < took < 2.5
    assert (done.sent, done.waiting) == (1, 2)
    assert done.failed.keys() == {"webhook", "mail"}
    assert all("time" in why or "no answer within 1 s" in why for why in done.failed.values())
    assert len(pager.posts) == 1


def test_a_process_ends_though_a_target_hangs(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from fraud_platform.alerts.sending import send\n"
        "from fraud_platform_tests.alerts.raised import alert, settings\n"
        "print(send(settings(Path({!r}), 'http://127.0.0.1:{}', timeout_seconds=0.3), alert()))"
    )
    with HangingServer(drips=True) as hanging:
        done = subprocess.run(
            [sys.executable, "-c", program.format(str(tmp_path), hanging.port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert "no answer within 0.3 s" in done.stdout or "timed out" in done.stdout


def test_what_waits_is_bounded_and_what_was_dropped_is_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    found = settings(tmp_path, down, outbox_alerts=3, outbox_hours=2)
    for n in range(5):
        send(found, alert(key=f"k{n}"))
    assert [one.alert.key for one in waiting(found)] == ["k2", "k3", "k4"]
    assert read_state(found.alerts_dir).dropped == 2
    assert "alert k0 never reached webhook: it can't be reached: " in caplog.text
    with changed(found.alerts_dir) as state:
        old = state.outbox[1]
        old.alert = msgspec.structs.replace(old.alert, when=NOW - timedelta(hours=3))
    done = flush(found)
    assert (done.dropped, done.waiting) == (1, 2)
    assert read_state(found.alerts_dir).dropped == 3


def test_keys_that_were_raised_are_kept_up_to_a_bound(tmp_path: Path) -> None:
    with changed(tmp_path) as state:
        for n in range(MOST_KEYS + 5):
            state.raised[f"k{n}"] = Raised(alert(key=f"k{n}"))
    kept = list(read_state(tmp_path).raised)
    assert (len(kept), kept[0], kept[-1]) == (MOST_KEYS, "k5", f"k{MOST_KEYS + 4}")


def test_one_that_was_raised_before_and_comes_to_be_kept_after_is_the_same(tmp_path: Path) -> None:
    first, second = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC)
    with HttpServer() as hook:
        assert send(settings(tmp_path, hook.url), alert(when=second)).sent == 1
        assert send(settings(tmp_path, hook.url), alert(when=first)).suppressed
    assert len(hook.texts) == 1


def test_processes_that_raise_one_alert_at_once_send_it_once(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fraud_platform.alerts.sending import send\n"
        "from fraud_platform_tests.alerts.raised import alert, settings\n"
        "found = settings(Path(sys.argv[1]), sys.argv[2])\n"
        "send(found, alert())\n"
        "for n in range(5): send(found, alert(key=f'{sys.argv[3]}/{n}'))\n"
    )
    with HttpServer() as hook:

        def run(name: str) -> None:
            command = [sys.executable, "-c", program, str(tmp_path), hook.url, name]
            subprocess.run(command, check=True, timeout=60)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(run, ("a", "b", "c")))
        flush(settings(tmp_path, hook.url))  # what another process had claimed when one ended
    keys = sorted(text.splitlines()[-2].split()[-1] for text in hook.texts)
    expected = [f"{name}/{n}" for name in "abc" for n in range(5)]
    assert keys == [*expected, "run_failed/daily/fraud_model"]
    state = read_state(tmp_path / "alerts")
    assert (len(state.sent), state.raised["run_failed/daily/fraud_model"].suppressed) == (16, 2)


def test_what_a_process_had_claimed_when_it_was_killed_is_sent_by_another(tmp_path: Path) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url)
        with changed(found.alerts_dir) as state:
            for n, claimed in enumerate((timedelta(seconds=30), timedelta(seconds=-1))):
                one = Waiting(id=str(n), target="webhook", alert=alert(key=f"k{n}"))
                one.claimed_until = datetime.now(UTC) + claimed
                state.outbox.append(one)
        assert flush(found) == Outcome(sent=1, waiting=1)
    assert "k1" in hook.texts[0]


def test_secrets_are_neither_kept_nor_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    password = "p4ssw%C3%B6rd"
    with HttpServer(status=500, answer=f"{KEY} {HOOK_PATH}") as server:
        found = msgspec.structs.replace(
            settings(tmp_path, server.url, server.url, outbox_alerts=1),
            online=Online(store="redis", redis_url=Secret(f"redis://me:{password}@redis/0")),
        )
        words = f"no Redis with {password} or p4sswörd; {server.url}{HOOK_PATH}; {KEY} \udcff"
        outcomes = [
            send(found, alert(key=f"k{n}", title=words, text=words, link=words)) for n in range(2)
        ]
    kept = (found.alerts_dir / "alerts.json").read_text()
    assert "no Redis with ******** or ********; ********; ******** ?" in kept
    # A routing key goes to PagerDuty in its own field, and nowhere else.
    told = [event | {"routing_key": ""} for _, event in server.posts]
    shown = [
        kept,
        caplog.text,
        *(one.told() for one in outcomes),
        json.dumps(told, ensure_ascii=False),
    ]
    for secret in (password, "p4sswörd", HOOK_PATH, KEY):
        assert not [text for text in shown if secret in text]
    assert (found.alerts_dir / "alerts.json").stat().st_mode & 0o777 == 0o600


def broken(found: Settings) -> None:
    found.alerts_dir.mkdir(parents=True)
    (found.alerts_dir / "alerts.json").write_text("{")


def no_folder(found: Settings) -> None:
    found.data_dir.mkdir(exist_ok=True)
    found.alerts_dir.write_text("")


@pytest.mark.parametrize("spoil", [broken, no_folder])
def test_an_alert_goes_out_though_nothing_can_be_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Settings], None]
) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url, f"http://127.0.0.1:{free_port()}")
        spoil(found)
        done = send(found, alert())
    assert (done.sent, done.dropped, list(done.failed)) == (1, 1, ["pagerduty"])
    assert len(hook.posts) == 1
    assert "can't be kept for a target that is down: alerts file" in caplog.text
    with pytest.raises(PredictFlowError, match=r"alerts file .*alerts.json: "):
        flush(found)


def test_a_process_that_keeps_the_lock_holds_up_nobody_for_long(tmp_path: Path) -> None:
    with HttpServer() as hook:
        found = settings(tmp_path, hook.url)
        found.alerts_dir.mkdir(parents=True)
        with (found.alerts_dir / "alerts.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            began = time.monotonic()
            assert send(found, alert()).sent == 1
            assert time.monotonic() - began < 4


def test_without_a_target_an_alert_is_told_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert send(settings(tmp_path), alert()) == Outcome()
    assert "alert run_failed/daily/fraud_model reaches nobody" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [{"key": ""}, {"key": "k" * 256}, {"when": datetime(2026, 4, 9)}],  # noqa: DTZ001
)
def test_an_alert_that_could_not_be_read_back_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"characters|time zone"):
        alert(**changes)
