"""The demo, whole and for real: the command that a newcomer runs first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

from fraud_platform.commands.simulate import COLUMNS
from fraud_platform.simulator import SimulatorConfig, simulate


def demo(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PREDICTFLOW_DATA_DIR": str(data_dir)}
    environment.pop("PREDICTFLOW_FIRST_DAY", None)
    return subprocess.run(
        [sys.executable, "-m", "fraud_platform", "demo", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_the_demo_ends_with_two_served_decisions_and_says_where_to_look(tmp_path: Path) -> None:
    done = demo(data_dir=tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert "364,915 transactions landed, 0 quarantined" in shown
    assert "46 days materialised, 2026-03-01 to 2026-04-15" in shown
    assert "fraud_detector v1 of 2026-04-14" in shown
    assert shown.count("POST /predict") >= 2
    assert shown.count("  because ") == 2
    assert "degraded: False" in shown
    assert "degraded: True" not in shown
    assert "Ten quick small payments of " in shown
    for where in ("make serve", "make dev", "make mlflow"):
        assert where in shown
    assert "Warning" not in done.stderr


def test_the_demo_runs_on_other_peoples_files_and_again(tmp_path: Path) -> None:
    world = SimulatorConfig(days=40, users=120, transactions_per_day=300, fraud_share=0.04)
    theirs = tmp_path / "payments.csv"
    frame = pl.concat(simulate(world)).select(COLUMNS).drop("device_id")
    frame = frame.rename({"timestamp": "paid_at", "user_id": "card", "is_fraud": "bad"})
    bad = frame.head(1).with_columns(amount=pl.lit(-5.0))
    pl.concat([frame, bad]).write_csv(theirs)
    arguments = ("--data", str(theirs), "--map", "timestamp=paid_at,user_id=card,is_fraud=bad")
    first = demo(*arguments, "--json", data_dir=tmp_path / "demo")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["rows"], told["quarantined"], told["days"]) == (frame.height, 1, 40)
    assert {one["truth"] for one in told["answers"]} == {"legitimate", "fraud"}
    for one in told["answers"]:
        answer = one["answer"]
        assert answer["transaction_id"] == one["request"]["transaction_id"]
        assert len(answer["reasons"]) == 3
        assert answer["is_fraud"] == (answer["fraud_probability"] > told["threshold"])
    again = json.loads(demo(*arguments, "--json", data_dir=tmp_path / "demo").stdout)
    assert (again["rows"], again["landed_before"]) == (0, frame.height + 1)
    assert again["metrics"] == told["metrics"]
    for run in (told, again):
        few, many = run["ten_quick_payments"]["counts"]
        assert many == few + 11  # the one that was asked about first, and ten
    assert again["ten_quick_payments"] == told["ten_quick_payments"]
    scores = [
        [one["answer"]["fraud_probability"] for one in run["answers"]] for run in (told, again)
    ]
    assert scores[0] == scores[1]
