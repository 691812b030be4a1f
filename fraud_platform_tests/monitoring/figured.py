"""A platform's figures as a month makes them: a failed day, a missing one, one that drifted."""

import random
from datetime import UTC, datetime, timedelta

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
from fraud_platform.features.catalogue import FEATURE_NAMES

FAILED, MISSING = 4, 9
"""How many days before the newest one."""


def figures_at(now: datetime | None = None, days: int = 30, seed: int = 0) -> Figures:
    """What is known a minute before `now`, of so many days up to the day before it."""
    now = now or datetime.now(UTC)
    rng = random.Random(seed)
    names = [str(now.date() - timedelta(days=back)) for back in range(days, 0, -1)]
    states = {names[-1 - FAILED]: "failed", names[-1 - MISSING]: "missing"}
    rows = {name: rng.randrange(7_200, 8_800) if states.get(name) is None else 0 for name in names}
    made = [name for name in names if name not in states]
    return Figures(
        at=(now - timedelta(minutes=1)).isoformat(),
        days=[
            DayState(
                day=name,
                state=states.get(name, "made"),  # type: ignore[arg-type]
                rows=rows[name],
                quarantined=rng.randrange(4) if rows[name] else 0,
                run_id="5c3f9a0e-1d52-4c7e-9a40-b1f2" if states.get(name) == "failed" else "",
            )
            for name in names
        ],
        tables=[
            TableState(name=name, newest_day=made[-1], newest_rows=rows[made[-1]], rows=count)
            for name, count in (
                ("raw_transactions", sum(rows.values())),
                ("transaction_features", sum(rows.values())),
                ("prediction_log", 3 * rows[made[-1]]),
            )
        ],
        drift=[_drift(rng, name, drifted=name == made[-1]) for name in made],
        quality=[
            _quality(rng, name, "matured" if place < len(made) - 7 else "early")
            for place, name in enumerate(made)
        ],
        parity=[
            LiveParity(
                day=made[-1],
                vectors=8_012,
                identical=7_940,
                skewed={"user_tx_count_24h": 61, "time_since_last_tx": 23},
            )
        ],
        model=LiveModel(
            model_name="fraud_detector",
            model_version="12",
            partition=made[-3],
            since=(now - timedelta(days=2, hours=3)).isoformat(),
            who="dagster",
            why="better on average precision",
            metrics={"average_precision": 0.71},
        ),
        gate=GateResult(
            partition=made[-1],
            model_version="13",
            at=(now - timedelta(hours=5)).isoformat(),
            passed=False,
            conditions={
                "better": False,
                "schema": True,
                "parity": True,
                "no slice collapses": True,
            },
            refusal="average precision 0.704 is not over the champion's 0.712",
        ),
        failed_runs=1,
        waiting_alerts=2,
    )


def _drift(rng: random.Random, day: str, *, drifted: bool) -> DayDrift:
    moved = {"amount": 0.31, "amount_log": 0.29, "hour_of_day": 0.19} if drifted else {}
    distances = {}
    for name in (*FEATURE_NAMES, "score"):
        psi = moved.get(name, rng.uniform(0.004, 0.06))
        distances[name] = {
            "psi": psi,
            "kl": psi / 2,
            "ks": psi / 2,
            "missing": rng.uniform(0, 0.004),
            "outside": 0.0,
        }
    distances["day_of_week"]["psi"] = 2.4
    return DayDrift(
        day=day,
        model_version="12",
        drifted=list(moved),
        distances=distances,
        excess={name: found["psi"] / 0.1 for name, found in distances.items()},
        findings=["amount: twice as many above 400.00 (20 % of payments, 10 % in training)"]
        if drifted
        else [],
    )


def _quality(rng: random.Random, day: str, estimate: str) -> DayQuality:
    early = estimate == "early"
    overall = Quality(
        model_version=None,
        decisions=8_000,
        labelled=2_300 if early else 8_000,
        frauds=24 if early else 80,
        alarms=70,
        precision=rng.uniform(0.3, 0.5) if early else rng.uniform(0.72, 0.84),
        recall=rng.uniform(0.6, 0.75) if early else rng.uniform(0.66, 0.78),
        auc=rng.uniform(0.93, 0.97),
        average_precision=rng.uniform(0.5, 0.7),
        calibration_error=rng.uniform(0.001, 0.004),
        money_saved=rng.uniform(4_000, 9_000) if not early else rng.uniform(800, 3_000),
        money_lost=rng.uniform(900, 2_000),
    )
    return DayQuality(decided=day, estimate=estimate, overall=overall)  # type: ignore[arg-type]
