"""The last hour by the minute, of several workers."""

from pathlib import Path

import pytest

from serving.messages import Prediction
from serving.metrics import LATENCY_S, Metrics
from serving.minutes import SHOWN, Counted, Minutes, quantile, together


def decided(metrics: Metrics, *, is_fraud: bool = False, fault: str | None = None) -> None:
    """Counts a decision of four milliseconds."""
    prediction = Prediction(
        transaction_id="t",
        fraud_probability=0.5,
        is_fraud=is_fraud,
        action="block" if is_fraud else "allow",
        confidence=0.0,
        threshold=0.4,
        model_version="1",
        degraded=fault is not None,
        degraded_reason=fault,
    )
    metrics.predicted(prediction, fault, 0.004)


def test_the_minutes_of_all_workers_are_added_up_and_survive_one(tmp_path: Path) -> None:
    now = [60_000_000.0]
    first, second = Metrics(), Metrics()
    workers = [
        Minutes(tmp_path / "minutes", one.counted, clock=lambda: now[0]) for one in (first, second)
    ]
    for _ in range(3):
        decided(first)
    decided(second, is_fraud=True, fault="late")
    for worker in workers:
        worker.add()
        worker.add()  # what was added once is not added again
    workers[0].close()
    # Who takes a worker's place goes on with its counts.
    replaced = Minutes(tmp_path / "minutes", first.counted, clock=lambda: now[0])
    decided(first)
    replaced.add()
    now[0] += 60
    decided(second)
    workers[1].add()

    *before, last = replaced.read()
    assert before == [None] * (SHOWN - 1)
    assert last is not None
    assert (last.decisions, last.alarms, last.degraded, sum(last.latencies)) == (5, 1, 1, 5)
    now[0] += 60 * SHOWN
    oldest, *rest = replaced.read()
    assert oldest is not None
    assert oldest.decisions == 1
    assert rest == [None] * (SHOWN - 1)
    now[0] += 60 * 3  # in whose slot no old minute is taken for a new one
    assert replaced.read() == [None] * SHOWN


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    metrics = Metrics()
    for _ in range(100):
        decided(metrics)
    latencies = metrics.counted().latencies

    assert len(latencies) == len(LATENCY_S) + 1
    assert quantile(latencies, LATENCY_S, 0.5) == pytest.approx(0.004)  # half of 3 to 5 ms
    assert quantile(latencies, LATENCY_S, 0.99) == pytest.approx(0.00498)
    assert quantile([0] * 19, LATENCY_S, 0.99) is None
    assert quantile([0] * 18 + [4], LATENCY_S, 0.5) == LATENCY_S[-1]


def test_an_hour_without_the_service_has_no_sum() -> None:
    one = Counted(2, 1, 0, (1, 1))

    assert together([None, None]) is None
    assert together([None, one, one]) == Counted(4, 2, 0, (2, 2))
