"""What needs a person, as a table of cases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_platform.contracts.monitoring import DayDrift, DayState, Figures, LiveParity
from fraud_platform.monitoring.attention import concerns
from fraud_platform.monitoring.words import age, calendar, share
from fraud_platform_tests.monitoring.figured import figures_at

NOW = datetime(2026, 3, 31, tzinfo=UTC)
FULL = figures_at(NOW)
QUIET = replace(
    FULL,
    days=[DayState(day="2026-03-30", state="made"), DayState(day="2026-03-31", state="running")],
    drift=FULL.drift[:-1],
    failed_runs=0,
    waiting_alerts=0,
)
assert FULL.gate is not None
UNJUDGED = DayDrift(
    day="2026-03-30", model_version=None, drifted=[], distances={}, unjudged="no model"
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"days": [DayState(day="2026-03-29", state="failed", run_id="0123456789")]},
            [("FraudRunsFailed", "Failed: 2026-03-29 (run 01234567)")],
        ),
        (
            {"days": [DayState(day=f"2026-03-{n}", state="missing") for n in (27, 29)]},
            [("FraudDayMissing", "Not made: 2026-03-27, 2026-03-29")],
        ),
        (
            {"drift": FULL.drift},
            [
                (
                    "FraudDrift",
                    "2026-03-30 is not like the training: amount, amount_log, hour_of_day",
                )
            ],
        ),
        (
            {"drift": [*FULL.drift[:-1], UNJUDGED]},
            [
                (
                    "FraudDriftUnjudged",
                    "The drift of 2026-03-30 was not judged: no model",
                )
            ],
        ),
        (
            {"below_floor": ["recall 0.2 of 2026-03-23 is below 0.5"]},
            [("FraudRecallLow", "recall 0.2 of 2026-03-23 is below 0.5")],
        ),
        (
            {
                "parity": [
                    LiveParity(day="2026-03-30", vectors=9, identical=8, differing={"amount": 1})
                ]
            },
            [
                (
                    "FraudParityBroken",
                    "2026-03-30: 1 served value unlike the lake's, unexplained: amount",
                )
            ],
        ),
        (
            {"failed_runs": 2},
            [("FraudRunsFailed", "Within a day 2 runs failed after the last try")],
        ),
        (
            {"waiting_alerts": 1},
            [("FraudAlertsWaiting", "1 alert waits for a target that is down")],
        ),
        ({"model": None}, [("FraudNoModel", "No model is live")]),
        ({"gate": replace(FULL.gate, conditions={"better": False, "parity": True})}, []),
        (
            {
                "gate": replace(
                    FULL.gate, conditions={"better": False, "slices": False}, refusal="a slice fell"
                )
            },
            [
                (
                    "FraudGateRefusing",
                    "The gate refused v13 of 2026-03-30: a slice fell",
                )
            ],
        ),
        (
            {"faults": ["x.json is not readable"]},
            [("FraudFiguresStale", "Left out of the figures: x.json is not readable")],
        ),
    ],
)
def test_it_is_said_with_the_alert_that_is_raised_for_it(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert [(one.alert, one.says) for one in concerns(replace(QUIET, **changes))] == expected


def test_days_to_make_are_named_as_the_command_takes_them() -> None:
    days = [DayState(day=f"2026-03-{n}", state="missing") for n in (27, 29)]
    (found,) = concerns(replace(QUIET, days=days))
    assert "predictflow materialize --from 2026-03-27 --to 2026-03-29" in found.mend


def test_an_empty_platform_is_told_how_to_begin_and_a_broken_one_what_is_broken() -> None:
    (first,) = concerns(Figures(at=""))
    assert "predictflow ingest FILES" in first.mend
    broken = concerns(Figures(at="", faults=["the lake is away"]))
    assert [one.alert for one in broken] == ["FraudFiguresStale", "FraudNoModel"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.00021, "0.021 %"),
        (0.034, "3.4 %"),
        (0.56, "56 %"),
        (0.999999, "99.99 %"),
        (0.991, "99.10 %"),
    ],
)
def test_no_share_is_rounded_to_none_or_to_all(value: float, said: str) -> None:
    assert share(value) == said


def test_a_calendar_has_no_gaps_and_an_end() -> None:
    assert calendar(["2026-03-01", "2026-02-27", "x"]) == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert calendar(["2020-01-01", "2026-03-01"], most=2) == ["2026-02-28", "2026-03-01"]
    assert calendar([]) == []
    assert [age(s) for s in (0, 60, 130, 7300, 200_000)] == [
        "0 s",
        "60 s",
        "2 min",
        "2 h",
        "2 days",
    ]
