import polars as pl
import pytest

from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.slices import Slice, by_slice
from fraud_platform_tests.modelling.generated import scored_rows

COSTS = Costs(missed_fraud_fee=2500, false_alarm=500)


def test_the_slices_of_each_dimension_sum_up_to_the_whole(scored: pl.DataFrame) -> None:
    whole = decide(scored, 0.5, COSTS)
    slices = by_slice(scored, 0.5, COSTS)
    for dimension in ("amount", "device", "merchant age"):
        parts = [part for part in slices if part.dimension == dimension]
        for name in ("rows", "frauds", "alerts", "money_saved"):
            assert sum(getattr(part, name) for part in parts) == getattr(whole, name)


def test_bands_are_half_open_and_come_in_order() -> None:
    amounts = [999, 1000, 4999, 5000, 19_999, 20_000, 99_999, 100_000]
    rows = scored_rows([0.1] * 8, [False] * 8, amount_cents=amounts)
    found = [(part.value, part.rows) for part in by_slice(rows, 0.5, COSTS)]
    assert found == [
        ("under 10", 1),
        ("10 to 50", 2),
        ("50 to 200", 2),
        ("200 to 1,000", 2),
        ("1,000 and over", 1),
        ("known", 8),
    ]


def test_devices_are_known_new_or_not_named() -> None:
    rows = scored_rows([0.9, 0.2, 0.6], [True, False, False]).with_columns(
        device_new=pl.Series([1.0, 0.0, None])
    )
    found = [part for part in by_slice(rows, 0.5, COSTS) if part.dimension == "device"]
    assert [(part.value, part.frauds, part.alerts) for part in found] == [
        ("known", 0, 0),
        ("new", 1, 1),
        ("not named", 0, 1),
    ]


def test_merchants_are_unknown_young_or_old() -> None:
    day = 86_400.0
    ages = [None, 0.0, day - 1, day, 7 * day, 7 * day + 1]
    rows = scored_rows([0.9] * 6, [False] * 6).with_columns(merchant_age=pl.Series(ages))
    found = [part for part in by_slice(rows, 0.5, COSTS) if part.dimension == "merchant age"]
    assert [(part.value, part.rows) for part in found] == [
        ("unknown", 1),
        ("under 1 day", 2),
        ("1 to 7 days", 2),
        ("over 7 days", 1),
    ]


def test_a_feature_that_the_rows_do_not_have_cuts_no_slices() -> None:
    rows = scored_rows([0.9, 0.1], [True, False]).drop("device_new")
    assert {part.dimension for part in by_slice(rows, 0.5, COSTS)} == {"amount"}


def test_a_slice_of_one_class_has_no_average_precision() -> None:
    rows = scored_rows([0.9, 0.2, 0.6], [True, False, False], amount_cents=[100, 100, 9000])
    under, over = by_slice(rows, 0.5, COSTS)[:2]
    assert under.average_precision == 1.0
    assert over == Slice(
        dimension="amount",
        value="50 to 200",
        rows=1,
        frauds=0,
        alerts=1,
        precision=0.0,
        recall=0.0,
        average_precision=None,
        money_saved=-500,
    )


def test_the_average_precision_of_a_slice_is_its_own(scored: pl.DataFrame) -> None:
    new = scored.filter(pl.col("device_new") == 1)
    both = {part.value: part for part in by_slice(scored, 0.5, COSTS)}
    alone = {part.value: part for part in by_slice(new, 0.5, COSTS)}
    assert both["new"].average_precision == pytest.approx(alone["new"].average_precision)
