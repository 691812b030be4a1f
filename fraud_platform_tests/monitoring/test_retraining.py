"""When a training is asked for: the table of cases, and what holds for any series of days."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.monitoring.retraining import (
    Decision,
    Live,
    Now,
    Reason,
    Request,
    Sign,
    decide,
    sizes,
)
from fraud_platform.settings import Labels, Retrain, Training

MATURITY = Labels().maturity_days
LIVE = Live(version="7", sha256="a7", partition=date(2026, 3, 10), fitted_until=date(2026, 2, 21))


def day(number: int) -> date:
    """A day of March 2026; 0 is the last of February, -1 the one before."""
    return date(2026, 2, 28) + timedelta(days=number)


def sign(number: int, *found: str, sha256: str | None = "a7", unjudged: str = "") -> Sign:
    return Sign(
        day=day(number),
        told=day(number),
        found=list(found),
        model_sha256=sha256,
        model_version=sha256 and sha256[1:],
        unjudged=unjudged,
    )


def drifted(first: int, last: int, *names: str, sha256: str = "a7") -> list[Sign]:
    return [sign(n, *(names or ("amount",)), sha256=sha256) for n in range(first, last + 1)]


def low(first: int, last: int, *names: str) -> list[Sign]:
    """Days decided badly, as their labels matured."""
    found = [*(names or ("recall",))]
    return [Sign(day=day(n), told=day(n + MATURITY), found=found) for n in range(first, last + 1)]


@dataclass(frozen=True)
class Case:
    """Signs and how things stand; the run key that is asked for, or why none is, in part."""

    signs: list[Sign] = field(default_factory=list)
    newest: int | None = 23
    key: str | None = None
    since: int = 0
    told: str = ""
    reason: Reason = "drift"
    live: Live | None = LIVE
    asked: list[int] = field(default_factory=list)
    busy: str | None = None
    held: bool = False
    retrain: Retrain = field(default_factory=Retrain)


# Drift that begins on the 14th: of that day to fit on and two to judge by, the labels are known at
# the end of the 23rd.
CASES = {
    "no report": Case(
        told="no day after 2026-02-21, the last that the live v7 was fitted on, was "
        "judged: there is no report of one"
    ),
    "no model": Case(drifted(14, 23), live=None, told="no model is live yet"),
    "no day": Case(drifted(14, 23), newest=None, told="no day has features yet"),
    "a run under way": Case(drifted(14, 23), busy="4711", told="run 4711 hasn't ended yet"),
    "quiet": Case([*drifted(14, 22), sign(23)], told="nothing was found on 2026-03-23"),
    "drift that lasts": Case(
        drifted(14, 23, "amount", "hour_of_day"),
        key="drift:2026-03-23:amount+hour_of_day:v7",
        since=14,
        told="amount, hour_of_day drifted since 2026-03-14: a training of 2026-03-23 is asked for",
    ),
    "the order of the reports doesn't count": Case(
        drifted(14, 23)[::-1], key="drift:2026-03-23:amount:v7", since=14
    ),
    "many features": Case(
        drifted(14, 23, *"abcdefg"), key="drift:2026-03-23:a+b+c+d+e+2-more:v7", since=14
    ),
    "the labels aren't known yet": Case(
        drifted(14, 22),
        newest=22,
        told="amount drifted since 2026-03-14: by the end of 2026-03-23 the labels are known of 1 "
        "day of it to fit on and of 2 days to judge by",
    ),
    "asked at once": Case(
        drifted(14, 15),
        newest=15,
        retrain=Retrain(new_days=0),
        key="drift:2026-03-15:amount:v7",
        since=14,
    ),
    "one odd day": Case(
        [*(sign(n) for n in range(14, 23)), sign(23, "amount")],
        told="amount found on 2026-03-23, which makes 1 day in a row of retrain.drift_days = 2",
    ),
    "every other day": Case(
        [sign(n, *["amount"] * (n % 2)) for n in range(5, 24)], told="which makes 1 day in a row"
    ),
    "one quiet day ends nothing": Case(
        [*drifted(12, 13), sign(14), *drifted(15, 23)], key="drift:2026-03-23:amount:v7", since=12
    ),
    "two quiet days end it": Case(
        [*drifted(5, 13), sign(14), sign(15), *drifted(16, 23)],
        told="amount drifted since 2026-03-16: by the end of 2026-03-25 the labels",
    ),
    "a day that wasn't judged is neither": Case(
        drifted(14, 14) + [sign(n, unjudged="too few rows") for n in (15, 16)] + drifted(17, 23),
        key="drift:2026-03-23:amount:v7",
        since=14,
    ),
    "no day was judged": Case(
        [sign(n, unjudged=f"{n} rows are too few") for n in range(14, 24)],
        told="was judged: 23 rows are too few",
    ),
    "too few features": Case(
        drifted(14, 23), retrain=Retrain(min_drifted=2), told="only amount drifted on 2026-03-23"
    ),
    "days that the live model was fitted on": Case(
        drifted(-20, -7), told="no day after 2026-02-21, the last that"
    ),
    "old reports made again": Case(
        drifted(-6, 9),
        newest=9,
        told="the newest report is of 2026-03-09; the live v7 is of 2026-03-10",
    ),
    "reports of long ago": Case(
        drifted(11, 19), newest=23, told="the newest report is of 2026-03-19;"
    ),
    "days to come": Case(drifted(24, 40), told="there is no report of one"),
    "a report of the model before": Case(
        drifted(14, 23, sha256="a6"),
        told="the report of 2026-03-23 speaks of v6, and v7 is live by now",
    ),
    "days of the model before, which v7 doesn't know either": Case(
        drifted(14, 22, sha256="a6") + drifted(23, 23), key="drift:2026-03-23:amount:v7", since=14
    ),
    "a model that knows the new ways starts afresh": Case(
        drifted(14, 23, sha256="a7"),
        live=Live(version="8", sha256="a8", partition=day(23), fitted_until=day(14)),
        told="the report of 2026-03-23 speaks of v7, and v8 is live by now",
    ),
    "and may drift again": Case(
        drifted(14, 23) + drifted(24, 26, sha256="a8"),
        newest=26,
        live=Live(version="8", sha256="a8", partition=day(23), fitted_until=day(14)),
        asked=[23],
        key="drift:2026-03-26:amount:v8",
        since=15,
    ),
    "the live model is of a later day": Case(
        [Sign(day=day(n), told=day(n), found=["amount"]) for n in range(14, 24)],
        live=Live(version="7", sha256="a7", partition=day(24), fitted_until=LIVE.fitted_until),
        told="the newest report is of 2026-03-23; the live v7 is of 2026-03-24",
    ),
    "cool-down": Case(
        drifted(14, 25),
        newest=25,
        asked=[23],
        told="a training of 2026-03-23 was asked for, and the next is not before 2026-03-26",
    ),
    "cooled down": Case(
        drifted(14, 26), newest=26, asked=[23], key="drift:2026-03-26:amount:v7", since=14
    ),
    "twice this week": Case(
        drifted(14, 29),
        newest=29,
        asked=[23, 26, 26],
        held=True,
        told="2026-03-23, 2026-03-26 were trained anew within a week, which is as many as "
        "retrain.max_per_week = 2 lets",
    ),
    "a week later": Case(
        drifted(14, 30), newest=30, asked=[23, 26], key="drift:2026-03-30:amount:v7", since=14
    ),
    "quality: one low day": Case(
        low(14, 14), newest=21, reason="quality", told="makes 1 day in a row of retrain.low_days"
    ),
    "quality: low days": Case(
        low(14, 16, "precision", "recall"),
        reason="quality",
        key="quality:2026-03-23:precision+recall:v7",
        since=14,
        told="precision, recall below the floor since 2026-03-14",
    ),
    "quality: the labels aren't known yet": Case(
        low(14, 15), newest=22, reason="quality", told="by the end of 2026-03-23 the labels"
    ),
    "quality: cool-down is shared": Case(
        low(14, 17), newest=24, reason="quality", asked=[23], told="the next is not before"
    ),
    "quality: good again": Case(
        [*low(10, 15), Sign(day=day(16), told=day(23))],
        reason="quality",
        told="nothing was found on 2026-03-16",
    ),
}


def decided(case: Case) -> Decision:
    now = Now(
        newest=None if case.newest is None else day(case.newest),
        live=case.live,
        asked=[day(n) for n in case.asked],
        busy=case.busy,
    )
    return decide(case.reason, case.signs, now, case.retrain, Training(), MATURITY)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_training_is_asked_for_or_it_is_said_why_not(case: Case) -> None:
    found = decided(case)
    assert case.told in found.told
    assert (found.request and found.request.run_key, found.held) == (case.key, case.held)
    if found.request:
        assert found.request.since == day(case.since)


def test_the_request_says_what_it_is_for() -> None:
    request = decided(CASES["drift that lasts"]).request
    assert request == Request(
        reason="drift",
        day=day(23),
        since=day(14),
        found=["amount", "hour_of_day"],
        version="7",
        config=sizes(Retrain(), Training()),
    )
    assert request is not None
    assert request.tags == {
        "predictflow/reason": "drift",
        "predictflow/drifted": "amount+hour_of_day",
        "predictflow/day": "2026-03-23",
        "predictflow/since": "2026-03-14",
        "predictflow/instead_of": "v7",
    }


@pytest.mark.parametrize(
    ("retrain", "training", "expected"),
    [
        (Retrain(), Training(), (14, 3, 2, "random")),
        (Retrain(window_days=2), Training(), (2, 0, 1, "time")),
        (Retrain(test_days=30), Training(), (14, 2, 7, "random")),
        (Retrain(), Training(window_days=5, validation_days=1, test_days=1), (5, 1, 2, "random")),
        (Retrain(), Training(validation_days=0), (14, 0, 2, "time")),
    ],
)
def test_a_window_leaves_days_to_fit_on(
    retrain: Retrain, training: Training, expected: tuple[int, int, int, str]
) -> None:
    found = sizes(retrain, training)
    assert (
        tuple(found[name] for name in ("window_days", "validation_days", "test_days", "split"))
        == expected
    )
    assert found["window_days"] - found["test_days"] > found["validation_days"]


_DAYS = st.lists(st.sampled_from(["quiet", "drifted", "unjudged", "absent"]), max_size=60)
_RETRAIN = st.builds(
    Retrain,
    drift_days=st.integers(1, 4),
    quiet_days=st.integers(1, 4),
    cooldown_days=st.integers(1, 5),
    max_per_week=st.integers(1, 4),
    new_days=st.integers(0, 3),
)


@given(days=_DAYS, replaced=st.booleans(), retrain=_RETRAIN)
def test_whatever_the_days_it_keeps_to_its_limits(
    days: list[str], replaced: bool, retrain: Retrain
) -> None:
    """Day after day, with the model taken over by each training that is asked for or by none."""
    signs: list[Sign] = []
    asked: list[date] = []
    live = LIVE
    for number, kind in enumerate(days, start=11):
        if kind != "absent":
            signs.append(
                sign(
                    number,
                    *(["amount"] if kind == "drifted" else []),
                    sha256=live.sha256,
                    unjudged="few rows" if kind == "unjudged" else "",
                )
            )
        now = Now(newest=day(number), live=live, asked=asked)
        request = decide("drift", signs, now, retrain, Training(), MATURITY).request
        if request is None:
            continue
        drifting = [kind for kind in days[: number - 10] if kind in ("quiet", "drifted")]
        assert drifting[-1] == "drifted"
        assert drifting.count("drifted") >= retrain.drift_days
        assert request.since > live.fitted_until
        test = request.config["test_days"]
        fitted_until = day(number) - timedelta(days=MATURITY + test)
        new = (fitted_until - request.since).days + 1
        assert retrain.new_days == 0 or new >= retrain.new_days
        assert not asked or (day(number) - asked[-1]).days >= retrain.cooldown_days
        asked.append(day(number))
        if replaced:
            live = Live(
                version=f"{number}",
                sha256=f"a{number}",
                partition=day(number),
                fitted_until=max(fitted_until, live.fitted_until),
            )
    for first in asked:
        week = [one for one in asked if 0 <= (one - first).days < 7]
        assert len(week) <= retrain.max_per_week


@given(st.integers(0, 60))
def test_quiet_days_ask_for_nothing(count: int) -> None:
    signs = [sign(11 + n) for n in range(count)]
    now = Now(newest=day(10 + count), live=LIVE)
    found = decide("drift", signs, now, Retrain(), Training(), MATURITY)
    assert (found.request, found.held) == (None, False)
