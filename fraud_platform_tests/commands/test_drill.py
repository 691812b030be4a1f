"""The drill's parts: the days that move and how that is named, the waiting, the ends.

The whole drill, with a daemon that trains and deploys, takes minutes: it is `make drill`.
"""

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from fraud_platform.cli import main
from fraud_platform.commands.drill_daemon import Daemon, daemon
from fraud_platform.commands.drill_story import Missed, Story
from fraud_platform.commands.drill_world import START, DrillWorld, Plan, caught
from fraud_platform.contracts.events import Transaction
from fraud_platform.modelling.reference import SCORE, build_reference, read_reference
from fraud_platform.monitoring.drift import Drifted, judge_day
from fraud_platform.monitoring.drift_words import sentences
from fraud_platform.settings import Drift, Settings, load_settings
from fraud_platform.simulator import simulate

PLAN = Plan(before=28, quiet=30, most=2)
NAMES = ["amount", "hour_of_day"]


@pytest.fixture(scope="module")
def days() -> list[pl.DataFrame]:
    return list(simulate(PLAN.world))


def columns(frame: pl.DataFrame) -> dict[str, np.ndarray]:
    hours = frame["timestamp"].dt.hour().cast(pl.Float64).to_numpy()
    return {"amount": frame["amount"].to_numpy(), "hour_of_day": hours}


def judged(days: list[pl.DataFrame], index: int) -> Drifted:
    """A day against those before the first model, and their same weekdays."""
    fitted = columns(pl.concat(days[: PLAN.before]))
    matrix = np.column_stack([fitted[name] for name in NAMES])
    kept = build_reference(matrix, np.zeros(matrix.shape[0]), NAMES)
    codes = [
        days[index][name].rank("dense").to_numpy().astype(np.int64) - 1
        for name in ("user_id", "merchant_id")
    ]
    former = [columns(one) for one in days[index % 7 : PLAN.before : 7]]
    return judge_day(
        columns(days[index]),
        dict.fromkeys(NAMES, codes),
        {name: one for name, one in read_reference(kept).items() if name != SCORE},
        NAMES,
        Drift(),
        lambda name: [one[name] for one in former],
    )


def test_thirty_quiet_days_are_quiet(days: list[pl.DataFrame]) -> None:
    found = [judged(days, PLAN.before + i).found for i in range(PLAN.quiet)]
    assert found == [[]] * 30


def test_the_shift_is_found_on_its_first_day_and_all_of_it_is_named_in_words(
    days: list[pl.DataFrame],
) -> None:
    first = PLAN.before + PLAN.quiet
    said = [
        {one.name: " ".join(sentences(one)) for one in judged(days, first + i).found}
        for i in range(3)
    ]
    assert re.search(r"amount: .*(twice|times) as many above [\d.]+ \(", said[0]["amount"])
    assert re.search(r"hour_of_day: .* between \d+:00 and \d+:00 UTC \(", said[2]["hour_of_day"])


def test_the_frauds_that_are_asked_about_are_of_the_new_kind_and_of_the_contract(
    tmp_path: Path,
) -> None:
    world = DrillWorld(Settings(data_dir=tmp_path), PLAN)
    asked = world.frauds(PLAN.shift_on)
    assert len(asked) > 10
    assert len({one["user_id"] for one in asked}) == len(asked)
    for one in asked:
        assert set(one) == set(Transaction.__struct_fields__)
        assert one["timestamp"].startswith(str(PLAN.shift_on))
    assert world.frauds(PLAN.shift_on - timedelta(days=1)) == []


def test_a_story_has_a_line_a_thing_with_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for quiet in (False, True):
        with Story(tmp_path / "story.log", quiet=quiet) as story:
            story.tell("The first model is live")
        shown = capsys.readouterr()
        line = shown.err if quiet else shown.out
        assert re.fullmatch(r"\d\d:\d\d:\d\d +\d+\.\d s  The first model is live\n", line)
        assert (tmp_path / "story.log").read_text() == line
        assert (shown.out if quiet else shown.err) == ""


def test_what_doesnt_happen_is_told_with_where_to_look(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        watch = Daemon(None, process, log)  # pyright: ignore[reportArgumentType]
        assert watch.wait("it happens", lambda: "this", 5) == "this"
        with pytest.raises(Missed, match=r"^it happens: .* within 0 s; look into .*daemon\.log$"):
            watch.wait("it happens", lambda: None, 0.01)
        process.communicate(b"\n")
        with pytest.raises(Missed, match="as the daemon ended with 0"):
            watch.wait("it happens", lambda: None, 60)


def test_the_daemon_and_all_that_it_started_end_with_the_drill(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    pid = 0

    def interrupted() -> None:
        nonlocal pid
        with daemon(load_settings()) as watch:
            pid = watch.process.pid
            watch.wait("it begins", lambda: watch.log.read_text() or None, 60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def test_a_drill_touches_no_folder_that_has_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = CliRunner().invoke(main, ["drill", "drift", "--in", str(tmp_path)])
    assert done.exit_code == 1
    assert "isn't empty; a drill needs a folder of its own" in done.output
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_a_plan_has_its_shift_after_the_quiet_days() -> None:
    assert Plan(before=3, quiet=4).shift_on == START + timedelta(days=7) > date(2025, 9, 1)
    assert caught([{"is_fraud": True}, {"is_fraud": False}]) == 1
