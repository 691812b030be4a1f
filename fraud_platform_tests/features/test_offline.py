"""The SQL gives the oracle's bits, for every kind of declaration, on generated histories."""

import struct

from hypothesis import given, settings

from fraud_platform_tests.features.every_kind import EVERY_KIND
from fraud_platform_tests.features.histories import DAYS, START, History, several
from fraud_platform_tests.features.lake_of import tables, vectors
from fraud_platform_tests.features.oracle import Oracle


def bits(vector: list[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in vector]


def differences(found: list[float], expected: list[float]) -> dict[str, tuple[float, float]]:
    """The features whose bits differ: what was found and what was expected."""
    return {
        name: (a, b)
        for name, a, b in zip(EVERY_KIND.names, found, expected, strict=True)
        if bits([a]) != bits([b])
    }


@settings(max_examples=100, deadline=None)
@given(several(20))
def test_the_sql_gives_the_oracles_bits(found: list[History]) -> None:
    payments = [payment for history, _ in found for payment in history]
    verdicts = [verdict for _, labels in found for verdict in labels]
    made = vectors(EVERY_KIND, tables(EVERY_KIND, payments, verdicts, START, DAYS), START, DAYS)
    for history, labels in found:
        oracle = Oracle(EVERY_KIND, history, labels)
        for payment in history:
            expected = oracle.vector(payment)
            if bits(made[payment.transaction_id]) != bits(expected):
                differing = differences(made[payment.transaction_id], expected)
                assert not differing, payment
