"""A platform with something in each of its figures."""

from fraud_platform.contracts.monitoring import (
    DayDrift,
    DayQuality,
    DayState,
    Figures,
    GateResult,
    LiveModel,
    LiveParity,
    Quality,
    TableState,
)


def quality(model_version: str | None, recall: float | None) -> Quality:
    return Quality(
        model_version=model_version,
        decisions=1_000,
        degraded=3,
        labelled=900,
        frauds=40,
        alarms=50,
        precision=0.75,
        recall=recall,
        auc=0.97,
        average_precision=0.8,
        calibration_error=0.002,
        money_saved=12_345.67,
        money_lost=89.5,
    )


def distances(kl: float) -> dict[str, float]:
    return {"kl": kl, "psi": 2 * kl, "ks": kl / 2, "missing": 0.0, "outside": 0.001}


FIGURES = Figures(
    at="2026-03-09T04:00:00+00:00",
    days=[
        DayState(day="2026-03-05", state="made", rows=90),
        DayState(day="2026-03-06", state="made", rows=100),
        DayState(day="2026-03-07", state="failed", rows=90, run_id="r1"),
        DayState(day="2026-03-08", state="missing", rows=80, quarantined=7),
    ],
    tables=[
        TableState(name="raw_transactions", newest_day="2026-03-06", newest_rows=100, rows=190),
        TableState(name="transaction_features", newest_day="2026-03-06", newest_rows=99, rows=188),
        TableState(name="prediction_log", newest_day=None, newest_rows=0, rows=0),
    ],
    drift=[
        DayDrift(day="2026-03-05", model_version="1", drifted=[], distances={}, unjudged="few"),
        DayDrift(
            day="2026-03-06",
            model_version="1",
            drifted=["amount", "gone"],
            distances={"amount": distances(0.4), "hour_of_day": distances(0.01)},
            findings=["amount: more above 400"],
        ),
    ],
    quality=[
        DayQuality(decided="2026-02-27", estimate="matured", overall=quality(None, 0.1)),
        DayQuality(
            decided="2026-02-28",
            estimate="matured",
            overall=quality(None, 0.8),
            by_model=[quality("1", 0.7), quality("2", None)],
        ),
        DayQuality(decided="2026-03-05", estimate="early", overall=quality(None, 0.6)),
        DayQuality(
            decided="2026-03-06", estimate="early", overall=quality(None, 0.0), unjudged="no labels"
        ),
    ],
    parity=[
        LiveParity(
            day="2026-03-06",
            vectors=1_000,
            identical=990,
            skewed={"user_tx_count_1h": 9},
            differing={"amount": 1},
        ),
        LiveParity(day="2026-03-07", vectors=0, identical=0, unjudged="no decisions"),
    ],
    model=LiveModel(
        model_name="fraud_detector",
        model_version="2",
        partition="2026-03-05",
        since="2026-03-06T02:30:00+00:00",
        who="deployed_model",
        why="better",
        metrics={"recall": 0.9, "expected_calibration_error": 0.001},
    ),
    gate=GateResult(
        partition="2026-03-06",
        model_version="3",
        at="2026-03-07T02:30:00+00:00",
        passed=False,
        conditions={"better": False, "schema": True},
        refusal="v3 was not promoted",
    ),
    failed_runs=2,
    waiting_alerts=1,
    below_floor=["precision"],
    faults=["gate.json is damaged"],
)
