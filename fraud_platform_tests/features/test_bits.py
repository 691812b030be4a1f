"""Offline and online give the oracle's bits, for every kind of declaration, on 2,000 histories."""

import struct
from datetime import date, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fraud_platform.clock import DAY_US, HOUR_US, day_of, day_start_us
from fraud_platform_tests.features.every_kind import EVERY_KIND
from fraud_platform_tests.features.histories import DAYS, START, History, histories, several
from fraud_platform_tests.features.lake_of import Frames, tables, vectors
from fraud_platform_tests.features.oracle import Oracle, Payment, Verdict
from fraud_platform_tests.features.replayed import Online


def bits(vector: list[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in vector]


def differences(found: list[float], expected: list[float]) -> dict[str, tuple[float, float]]:
    """The features whose bits differ: what was found and what was expected."""
    return {
        name: (a, b)
        for name, a, b in zip(EVERY_KIND.names, found, expected, strict=True)
        if bits([a]) != bits([b])
    }


def offline(made: Frames, first: date = START, days: int = DAYS) -> dict[str, list[float]]:
    return vectors(EVERY_KIND, made, first, days)


# Forty histories at once are too much to shrink; the assertion names the payment.
@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(several(40), st.sampled_from([None, None, 0, 1, 2]))
def test_offline_and_online_give_the_oracles_bits(found: list[History], behind: int | None) -> None:
    """`behind`: days that the users' daily view lags; None leaves the slower online side out."""
    payments = [payment for history, _ in found for payment in history]
    verdicts = [verdict for _, labels in found for verdict in labels]
    made = tables(EVERY_KIND, payments, verdicts, START, DAYS + 14)
    by_sql = offline(made)
    online = None if behind is None else Online(EVERY_KIND, made, behind)
    for history, labels in found:
        oracle = Oracle(EVERY_KIND, history, labels)
        served = by_sql if online is None else online.vectors(history)
        for payment in history:
            expected = oracle.vector(payment)
            assert not differences(by_sql[payment.transaction_id], expected), payment
            assert not differences(served[payment.transaction_id], expected), payment


@settings(max_examples=10, deadline=None)
@given(histories(most=40))
def test_one_pass_over_a_range_gives_the_bits_of_single_days(found: History) -> None:
    made = tables(EVERY_KIND, *found, START, DAYS)
    whole = offline(made)
    for day in {day_of(p.timestamp_us) for p in found[0]}:
        for transaction, vector in offline(_within_reach(made, day), day, 1).items():
            assert not differences(vector, whole[transaction])


def _within_reach(made: Frames, day: date) -> Frames:
    """Only what a single day's run reads: the history that its windows can reach."""
    reach = {"transactions": 1} | {
        tiles.name: EVERY_KIND.label_history_days
        if "label" in tiles.name
        else EVERY_KIND.history_days
        for tiles in EVERY_KIND.tiles
    }
    return {
        # Look-backs are of the day itself.
        name: frame.filter(
            frame["event_date"].is_between(day - timedelta(days=reach.get(name, 0)), day)
        )
        for name, frame in made.items()
    }


def payment(name: str, at: int, **values) -> Payment:
    given_values = {"user_id": "u", "merchant_id": "m", "amount_cents": 100} | values
    return Payment(transaction_id=name, timestamp_us=at, **given_values)


def test_equal_timestamps_do_not_see_each_other() -> None:
    at = day_start_us(START) + 5 * HOUR_US
    made = tables(EVERY_KIND, [payment("a", at), payment("b", at)], [], START, 1)
    count = EVERY_KIND.names.index("count_1h")
    assert [vector[count] for vector in offline(made, START, 1).values()] == [0.0, 0.0]


def test_a_label_counts_from_the_hour_after_it_was_known() -> None:
    hour = day_start_us(START) + 10 * DAY_US + 5 * HOUR_US
    old = payment("old", day_start_us(START))
    label = Verdict(payment=old, labelled_at_us=hour + 1, is_fraud=True)
    asked = [payment("same", hour + HOUR_US - 1), payment("following", hour + HOUR_US)]
    found = offline(tables(EVERY_KIND, [old, *asked], [label], START, DAYS))
    rate = EVERY_KIND.names.index("rate_28d")
    assert found["same"][rate] == 0.2 / 20
    assert found["following"][rate] == 1.2 / 21


def test_strangers_have_defined_values() -> None:
    alone = payment("first", day_start_us(START) + 1)
    served = Online(EVERY_KIND, tables(EVERY_KIND, [alone], [], START, 1)).vectors([alone])
    assert not differences(served["first"], Oracle(EVERY_KIND, [alone], []).vector(alone))
