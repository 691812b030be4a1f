"""Recall of what was allowed is wrong; with some blocks let pass, and weighed, it is right."""

import numpy as np
import polars as pl
import pytest

from fraud_platform.let_pass import LetPass
from fraud_platform.modelling.bootstrap import Entrant, interval, resample
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.propensity import DRAWN, transaction_weights
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Costs(missed_fraud_fee=2500, false_alarm=500, review=100)
SHARE, BLOCKS, THRESHOLD = 0.2, 0.3, 0.4
"""What is let pass, what the live model blocks over, and the threshold of the one judged."""

World = tuple[pl.DataFrame, np.ndarray]


@pytest.fixture(scope="module")
def world() -> World:
    """Payments with what they truly are and the judged model's scores; the live model's scores."""
    random = np.random.default_rng(20)
    live = random.beta(0.25, 2.5, 6_000)
    is_fraud = random.random(live.size) < live
    score = np.clip(0.7 * live + 0.3 * random.random(live.size) * (0.3 + is_fraud), 0, 1)
    rows = scored_rows(
        score.tolist(),
        is_fraud.tolist(),
        amount_cents=random.integers(100, 50_000, live.size).tolist(),
        users=[f"u{n}" for n in random.integers(0, 2_500, live.size)],
    )
    return rows, live


def lived(world: World, key: int, limit_cents: int | None = None) -> pl.DataFrame:
    """The rows as the service leaves them: decided, weighed, and none that was blocked a fraud, as
    nobody complains of a payment that wasn't made."""
    rows, live = world
    draw = LetPass(SHARE, limit_cents, f"{key:032}".encode())
    asked = zip(rows["transaction_id"], rows["amount_cents"], live > BLOCKS, strict=True)
    decided = pl.DataFrame(
        [
            draw.taken(is_fraud=bool(fraud), transaction_id=name, amount_cents=cents)
            for name, cents, fraud in asked
        ],
        schema={"action": pl.String, "propensity": pl.Float64, "pass_limit_cents": pl.Int64},
        orient="row",
    )
    known = rows.hstack(decided)
    weights = transaction_weights(known.select("transaction_id", "event_date", *DRAWN))
    of = ["transaction_id", "event_date"]
    return known.join(weights, on=of, maintain_order="left").with_columns(
        is_fraud=pl.col("is_fraud") & (pl.col("action") == "allow")
    )


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that an evaluation counts."""
    return rows.filter(pl.col("weight").is_not_null() & ~pl.col("over_limit"))


def test_naive_recall_is_wrong_and_the_weighed_is_within_its_interval(world: World) -> None:
    rows = lived(world, 1)
    truth = evaluate(world[0], THRESHOLD, COSTS)
    naive = evaluate(rows.drop("weight"), THRESHOLD, COSTS)
    allowed = evaluate(rows.filter(action="allow").drop("weight"), THRESHOLD, COSTS)

    weighed = evaluate(counted(rows), THRESHOLD, COSTS).as_dict()

    drawn = resample(
        {"m": Entrant(rows=counted(rows), threshold=THRESHOLD)}, COSTS, samples=200, seed=0
    )["m"]
    for name in ("recall", "precision", "f1", "auc_roc", "average_precision", "money_saved"):
        found = interval(drawn[name])
        assert found is not None
        assert found.low < truth.as_dict()[name] < found.high, name
        assert found.low < weighed[name] < found.high, name
        assert naive.as_dict()[name] < found.low, name
        if name in ("recall", "f1", "money_saved"):
            assert allowed.as_dict()[name] < found.low, name


def test_the_estimate_is_unbiased_and_its_interval_covers_the_truth(world: World) -> None:
    truth, keys = evaluate(world[0], THRESHOLD, COSTS), 60
    frauds, caught, money, covered = [], [], [], 0
    for key in range(keys):
        rows = counted(lived(world, key))
        of = rows.filter("is_fraud")
        frauds.append(of["weight"].sum())
        caught.append(of.filter(pl.col("score") > THRESHOLD)["weight"].sum())
        money.append(evaluate(rows, THRESHOLD, COSTS).money_saved)
        if key < 20:
            entrant = Entrant(rows=rows, threshold=THRESHOLD, ranks=False)
            found = interval(resample({"m": entrant}, COSTS, samples=200, seed=key)["m"]["recall"])
            covered += found is not None and found.low < truth.recall < found.high

    for estimates, true in (
        (frauds, truth.frauds),
        (caught, round(truth.recall * truth.frauds)),
        (money, truth.money_saved),
    ):
        error = np.std(estimates, ddof=1) / keys**0.5
        assert abs(np.mean(estimates) - true) < 3.5 * error
        assert error < 0.03 * true  # and not for want of telling
    assert covered >= 17


def test_with_a_limit_the_figures_are_of_payments_up_to_it(world: World) -> None:
    limit = 20_000
    truth = evaluate(world[0].filter(pl.col("amount_cents") <= limit), THRESHOLD, COSTS)
    rows = lived(world, 5, limit)

    found = evaluate(counted(rows), THRESHOLD, COSTS)

    assert rows.filter(pl.col("amount_cents") > limit)["over_limit"].all()
    assert not counted(rows).filter(pl.col("amount_cents") > limit).height
    assert found.rows < truth.rows
    drawn = resample(
        {"m": Entrant(rows=counted(rows), threshold=THRESHOLD)}, COSTS, samples=200, seed=0
    )["m"]
    for name in ("recall", "precision", "money_saved"):
        span = interval(drawn[name])
        assert span is not None
        assert span.low < truth.as_dict()[name] < span.high, name
