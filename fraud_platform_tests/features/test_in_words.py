"""Each kind of declaration has its words, from the declaration alone."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    LabelFeature,
    LabelRate,
    LastLabel,
    Request,
    StandardScore,
    Where,
    WindowAggregate,
)
from fraud_platform.features.in_words import in_words, phrase_of
from fraud_platform.features.phrases import counted, duration, money, number, share
from fraud_platform.features.plan import Catalogue
from fraud_platform_tests.features.every_kind import EVERY_KIND, MERCHANT, SAID, USER

UNUSUAL = "whose amount (log scale) was more than 0.8 standard deviations above"
UNEXPLAINED = "whose amount was at most 0.5 times their user's largest in the 6 hours before"

SENTENCES = {
    ("amount", 1234.5): "an amount of 1,234.50",
    ("log", math.log1p(129.9)): "an amount of about 129.90",
    ("hour_of_day", 23.0): "paid between 23:00 and 24:00 UTC",
    ("weekday", 5.0): "paid on a Saturday (UTC)",
    ("count_1h", 6.0): "6 payments of the user in the last hour",
    ("count_1h", 1.0): "1 payment of the user in the last hour",
    ("count_1h", 0.0): "no payments of the user in the last hour",
    ("sum_24h", 350.0): "user's total amount in the last 24 hours is 350.00",
    ("max_1d", 42.0): "user's largest amount today is 42.00",
    ("std_amount_7d", 3.0): "standard deviation of the user's amount in the last 7 days is 3.00",
    ("night_3d", 2.0): ("2 payments of the user in the last 3 days paid between 0:00 and 6:00 UTC"),
    ("merchants_24h", 3.0): "3 different merchants of the user in the last 24 hours",
    ("devices_7d", 1.0): "1 different device of the user in the last 7 days",
    ("ratio", 4.23): "amount 4.2 times the user's largest in the last 6 hours",
    ("score", -2.13): (
        "amount (log scale) 2.1 standard deviations below the user's mean in the last 30 days"
    ),
    ("score", 2.13): (
        "amount (log scale) 2.1 standard deviations above the user's mean in the last 30 days"
    ),
    ("unusual_14d", 2.0): (
        f"2 payments of the user in the last 14 days {UNUSUAL} the user's mean in the 30 days "
        "before"
    ),
    ("merchant_unusual_3d", 2.0): (
        f"2 payments at the merchant in the 3 days before today {UNUSUAL} their user's mean in "
        "the 30 days before"
    ),
    ("since_last", 172_800.0): "2 days since the user's last payment",
    ("since_unusual", 300.0): (
        f"5 minutes since the user's last payment {UNUSUAL} the user's mean in the 30 days before"
    ),
    ("age", 90_000.0): "25 hours since the user's first payment in the last 30 days",
    ("merchant_age", 864_000.0): (
        "10 days since the merchant's first payment in the 30 days before today"
    ),
    ("device_new", 1.0): "user not seen with this device in the last 30 days",
    ("device_new", 0.0): "user seen with this device in the last 30 days",
    ("merchant_count_7d", 3.0): "3 payments at the merchant in the 7 days before today",
    ("rate_28d", 0.12): "merchant's share of fraud in the last 28 days is 12 %",
    ("rate_mature", 0.005): (
        "merchant's share of fraud in the last 7 days, of payments at least 5 days old, is 0.5 %"
    ),
    ("user_labels_1d", 2.0): "2 labels of the user known today",
    ("last_label", 1.0): "merchant's last label in the last 28 days is fraud",
    ("last_label", 0.0): "merchant's last label in the last 28 days is legitimate",
    ("since_fraud", 7_200.0): "2 hours since the merchant's last fraud became known",
    ("since_legitimate", 60.0): (
        "1 minute since the merchant's last legitimate label became known, of payments "
        f"{UNEXPLAINED}, or unknown"
    ),
    ("since_label", 5.0): "5 seconds since the user's last label became known",
    ("run", 3.0): "3 frauds of the merchant known since the last legitimate label",
    ("user_run", 1.0): "1 fraud of the user known since the last legitimate label",
    ("run_age", 7_200.0): (
        "2 hours since the first of the merchant's frauds after the last legitimate label became "
        f"known, of payments {UNEXPLAINED}, or unknown"
    ),
}


@pytest.mark.parametrize(("name", "value"), SENTENCES)
def test_a_value_is_said_as_people_say_it(name: str, value: float) -> None:
    assert in_words(EVERY_KIND, name, value) == SENTENCES[name, value]


def test_every_kind_of_declaration_is_among_the_sentences() -> None:
    assert {type(EVERY_KIND[name]) for name, _ in SENTENCES} == {type(one) for one in EVERY_KIND}


def likely(feature: Feature) -> st.SearchStrategy[float]:
    """Values that a feature can have."""
    match feature:
        case Request(field=field):
            return {
                "amount": st.floats(0.01, 1e6),
                "amount_log": st.floats(0, 14),
                "hour_of_day": st.integers(0, 23).map(float),
                "day_of_week": st.integers(0, 6).map(float),
            }[field]
        case FirstSeen() | LastLabel():
            return st.sampled_from([0.0, 1.0])
        case LabelRate():
            return st.floats(0, 1)
        case StandardScore():
            return st.floats(-1e9, 1e9)
        case LabelFeature() | WindowAggregate():
            return st.integers(0, 10**9).map(float) | st.floats(0, 1e12)
    return st.floats(0, 1e9)


@given(data=st.data())
def test_every_value_of_every_feature_has_words(data: st.DataObject) -> None:
    catalogue = data.draw(st.sampled_from([CATALOGUE, EVERY_KIND]))
    feature = data.draw(st.sampled_from(list(catalogue)))
    text = in_words(catalogue, feature.name, data.draw(likely(feature)))
    assert text == text.strip()
    assert "  " not in text


@pytest.mark.parametrize("name", CATALOGUE.names)
def test_a_missing_value_says_of_what_and_why(name: str) -> None:
    feature = CATALOGUE[name]
    text = in_words(CATALOGUE, name, math.nan)
    meaning, _, why = text.partition(": ")
    assert f"{meaning}." in (feature.meaning, feature.meaning[0].lower() + feature.meaning[1:])
    assert why == ("missing" if feature.missing == "never missing" else feature.missing)


CONDITIONS = {
    Where("amount", ">", 5): "whose amount was more than 5.00",
    Where("amount_log", "<=", 4.5): "whose amount (log scale) was at most 4.50",
    Where("hour_of_day", "<", 6): "paid between 0:00 and 6:00 UTC",
    Where("hour_of_day", ">=", 22): "paid between 22:00 and 24:00 UTC",
    Where("hour_of_day", ">", 30): "for which the hour of the day was more than 30",
    Where("day_of_week", ">", 4): "paid on Saturday to Sunday (UTC)",
    Where("day_of_week", "==", 6): "paid on a Sunday (UTC)",
    Where("device_new", "==", 1): "with a new device",
    Where("device_new", "<", 1, or_missing=True): "with a known device, or unknown",
    Where("device_new", ">=", 0): ("for which the novelty of the device (1 or 0) was at least 0"),
    Where("since_last", "<", 60): (
        "for which the time since the user's last payment was less than 1 minute"
    ),
    Where("count_1h", ">=", 3): (
        "for which the number of payments of the user in the hour before was at least 3"
    ),
    Where("ratio", ">", 2.55): (
        "whose amount was more than 2.55 times the user's largest in the 6 hours before"
    ),
}


@pytest.mark.parametrize("where", CONDITIONS, ids=str)
def test_a_condition_is_said_as_people_say_it(where: Where) -> None:
    counted_ones = WindowAggregate(
        name="counted", aggregate="count", window="7d", where=where, **USER
    )
    catalogue = Catalogue(*EVERY_KIND, counted_ones)

    said = in_words(catalogue, "counted", 2.0)

    assert said == f"2 payments of the user in the last 7 days {CONDITIONS[where]}"


def test_a_feature_that_is_declared_anew_needs_no_more() -> None:
    new = [
        WindowAggregate(name="sum_of", aggregate="sum", column="since_last", window="7d", **USER),
        WindowAggregate(name="known", aggregate="count", column="ratio", window="2h", **USER),
        WindowAggregate(name="novel", aggregate="mean", column="device_new", window="7d", **USER),
        WindowAggregate(name="novels", aggregate="sum", column="device_new", window="7d", **USER),
        replace(EVERY_KIND["rate_28d"], name="rate_1d", window="1d"),  # type: ignore[call-arg]
    ]
    catalogue = Catalogue(*EVERY_KIND, *new)
    values = (7_200.0, 3.0, 0.25, 2.0, 0.5)
    assert [in_words(catalogue, f.name, v) for f, v in zip(new, values, strict=True)] == [
        "user's total time since the user's last payment in the last 7 days is 2 hours",
        (
            "3 payments of the user in the last 2 hours, with the ratio of the amount to the "
            "user's largest in the 6 hours before known"
        ),
        "share of the user's payments in the last 7 days with a new device is 25 %",
        "2 payments of the user in the last 7 days with a new device",
        "merchant's share of fraud today is 50 %",
    ]


def test_a_kind_without_words_is_named() -> None:
    class Other(Feature):
        kind = "other"

    catalogue = Catalogue(Other(name="odd", unit="a unit", meaning="A meaning."))
    with pytest.raises(TypeError, match="feature odd: no words for Other"):
        phrase_of(catalogue, "odd")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a second"),
        (1, "1 second"),
        (59.6, "60 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (180, "3 minutes"),
        (3_600, "1 hour"),
        (5_400, "90 minutes"),
        (86_400, "1 day"),
        (100_000, "28 hours"),
        (172_800, "2 days"),
        (2_592_000, "30 days"),
    ],
)
def test_durations_are_in_a_unit_of_which_there_are_some(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_figures_are_short() -> None:
    assert [number(v) for v in (0.0, 0.123, 1.0, 4.23, 12.0, 1234.56, -2.5)] == [
        *("0", "0.12", "1", "4.2", "12", "1,234.6", "-2.5")
    ]
    assert (money(1_000_000), share(0.123), counted(1_234, "payment")) == (
        *("1,000,000.00", "12.3 %", "1,234 payments"),
    )


def test_values_of_merchants_and_users_are_told_apart() -> None:
    said: dict[str, Any] = {"aggregate": "max", "column": "amount", "window": "3d"}
    catalogue = Catalogue(
        WindowAggregate(name="of_user", **said, **USER),
        WindowAggregate(name="of_merchant", **said, **MERCHANT),
        Request(name="amount", field="amount", **SAID),
    )
    assert in_words(catalogue, "of_user", 9.0) == "user's largest amount in the last 3 days is 9.00"
    assert in_words(catalogue, "of_merchant", 9.0) == (
        "merchant's largest amount in the 3 days before today is 9.00"
    )
