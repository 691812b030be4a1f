"""An explanation adds up for every kind of feature, and says so where a value doesn't."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings

from fraud_platform.clock import HOUR_US, day_start_us
from fraud_platform.features.explain import Explanation, explain
from fraud_platform.features.plan import KEYS
from fraud_platform.features.sources import Label, Sources
from fraud_platform.features.sources import Payment as Seen
from fraud_platform_tests.features.every_kind import EVERY_KIND
from fraud_platform_tests.features.histories import DAYS, START, History, several
from fraud_platform_tests.features.lake_of import Frames, tables, vectors
from fraud_platform_tests.features.oracle import Payment, Verdict


def all_sources(payments: list[Payment], verdicts: list[Verdict]) -> list[Sources]:
    """What explains each payment, as the tables of the SQL have it."""
    made = tables(EVERY_KIND, payments, verdicts, START, DAYS)
    found = vectors(EVERY_KIND, made, START, DAYS)
    was = {
        row["transaction_id"]: {name: row[name] for name in EVERY_KIND.looked_back}
        for row in made["transactions"].iter_rows(named=True)
    }
    seen = {
        p.transaction_id: Seen(
            **{n: getattr(p, n) for n in p.__struct_fields__}, was=was[p.transaction_id]
        )
        for p in payments
    }
    labels = [
        Label(
            payment=seen[v.payment.transaction_id],
            labelled_at_us=v.labelled_at_us,
            is_fraud=v.is_fraud,
        )
        for v in verdicts
    ]
    return [
        Sources(
            payment,
            {
                name: None if value != value else value  # noqa: PLR0124 - NaN
                for name, value in zip(EVERY_KIND.names, found[payment.transaction_id], strict=True)
            },
            {k: [p for p in seen.values() if same(k, p, payment)] for k in KEYS},
            {k: [one for one in labels if same(k, one.payment, payment)] for k in KEYS},
            {k: tile_counts(made, k, getattr(payment, k)) for k in KEYS},
        )
        for payment in seen.values()
    ]


def same(key: str, one: Seen, other: Seen) -> bool:
    return getattr(one, key) == getattr(other, key)


def tile_counts(made: Frames, key: str, identifier: str) -> dict[date, int]:
    tiles = made[f"{key.removesuffix('_id')}_tiles"].filter(**{key: identifier})
    return dict(tiles.group_by("event_date").agg(pl.col("n").sum()).iter_rows())


def faults(made: list[Explanation]) -> dict[str, list[str]]:
    return {one.name: one.faults for one in made if one.faults}


@settings(max_examples=20, deadline=None)
@given(several(5))
def test_every_kind_of_feature_comes_out_of_its_sources_to_the_bit(found: list[History]) -> None:
    payments = [payment for history, _ in found for payment in history]
    verdicts = [verdict for _, labels in found for verdict in labels]
    for sources in all_sources(payments, verdicts):
        assert not faults(explain(EVERY_KIND, sources)), sources.payment


NOON = day_start_us(START + timedelta(days=10)) + 12 * HOUR_US


def one_history() -> Sources:
    """The last of three payments, an hour apart but for the first, a day before."""
    payments = [
        Payment(
            transaction_id=name,
            timestamp_us=NOON + hours * HOUR_US,
            user_id="u",
            merchant_id="m",
            amount_cents=1000,
            device_id=device,
        )
        for name, hours, device in (("a", -24, "d1"), ("b", -1, "d2"), ("c", 0, "d1"))
    ]
    labels = [Verdict(payment=payments[0], labelled_at_us=NOON - 2 * HOUR_US, is_fraud=True)]
    return all_sources(payments, labels)[-1]


def explained(sources: Sources) -> dict[str, Explanation]:
    return {one.name: one for one in explain(EVERY_KIND, sources)}


def test_an_explanation_lists_what_the_value_is_made_of() -> None:
    made = explained(one_history())
    assert made["count_1h"].says.startswith("1 payment in the 1 h before t: 2026-03-11 11:00:00")
    assert [p.transaction_id for p in made["count_1h"].payments] == ["b"]
    assert [p.transaction_id for p in made["device_new"].payments] == ["a"]
    assert [p.transaction_id for p in made["min_7d"].payments] == ["a", "b"]
    assert made["score_ratio"].needs == {"score": None, "ratio": 1.0}
    assert made["ratio"].says == "amount 10 / max_6h 10"
    (label,) = made["rate_28d"].labels
    assert (label.payment.transaction_id, label.is_fraud) == ("a", True)
    assert "1 label, 1 of fraud" in made["rate_28d"].says
    days = made["min_7d"].full_days
    assert days is not None
    assert (days.days, days.payments, days.payments_of_tiles) == (1, 1, 1)
    assert str(days.first) == "2026-03-10"


def test_a_stored_value_that_differs_in_its_last_bit_is_a_fault() -> None:
    sources = one_history()
    rate = sources.stored["rate_28d"]
    assert rate is not None
    changed = replace(sources, stored={**sources.stored, "rate_28d": rate + 2**-54})
    (fault,) = explained(changed)["rate_28d"].faults
    assert fault == f"{rate + 2**-54!r} is stored, the sources give {rate!r}"


def test_a_missing_value_where_the_sources_give_one_is_a_fault_and_the_other_way() -> None:
    sources = one_history()
    changed = replace(sources, stored={**sources.stored, "age": None, "since_label": 1.0})
    assert faults(list(explained(changed).values())) == {
        "age": ["missing is stored, the sources give 86400"],
        "since_label": ["1 is stored, the sources give 7200"],
    }


def test_tiles_that_count_other_payments_than_there_are_are_a_fault_with_their_day() -> None:
    sources = one_history()
    day = START + timedelta(days=9)
    changed = replace(sources, tiles={**sources.tiles, "user_id": {day: 2}})
    wrong = faults(list(explained(changed).values()))
    assert wrong["since_last"] == [f"user_tiles has 2 payments of {day}, raw_transactions 1"]
    assert "count_1h" not in wrong
