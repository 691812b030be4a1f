"""Declarations that cannot be are refused; the text names the feature and the mend."""

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from fraud_platform.features.declarations import (
    CatalogueError,
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelRate,
    Ratio,
    Request,
    StandardScore,
    TimeSinceFirst,
    TimeSinceLast,
    Where,
    WindowAggregate,
)
from fraud_platform.features.plan import Catalogue

SAID: dict[str, Any] = {"unit": "a unit", "meaning": "A meaning."}


def count(name: str = "x", **said: Any) -> WindowAggregate:
    given = {"key": "user_id", "aggregate": "count", "window": "7d", **SAID, **said}
    return WindowAggregate(name=name, **given)


def ratio(name: str, numerator: str, denominator: str = "amount") -> Ratio:
    return Ratio(name=name, numerator=numerator, denominator=denominator, **SAID)


def rate(name: str = "x", **said: Any) -> LabelRate:
    given = {"key": "merchant_id", "window": "7d", "prior_rate": 0.1, "prior_weight": 5.0, **SAID}
    return LabelRate(name=name, **given | said)


def last(**said: Any) -> TimeSinceLast:
    return TimeSinceLast(name="x", **{"key": "user_id", "within": "7d", **SAID, **said})


def where(column: str, comparison: Any = ">", value: float = 1.0, **said: Any) -> WindowAggregate:
    return count(where=Where(column, comparison, value, **said))


UNSUPPORTED = "use 1h to 24h, which slide, or 1d to 60d"
WRONG: dict[str, tuple[Callable[[], tuple[Feature, ...]], str, str]] = {
    # What is declared, what the text says, and the mend in it.
    "a name twice": (lambda: (count(), count()), "declared twice", "rename one"),
    "a field's name": (lambda: (count("amount"),), "figure of the transaction itself", "rename"),
    "capitals": (lambda: (count("Large"),), "'Large'", "use lower-case letters"),
    "another alphabet": (lambda: (count("größe"),), "'größe'", "use lower-case letters"),
    "no letter first": (lambda: (count("7d_count"),), "'7d_count'", "begin the name with a letter"),
    "our own names": (lambda: (count("user__n"),), "'user__n'", "single underscores"),
    "a column": (lambda: (count("user_id"),), "what columns of the tables are called", "rename"),
    "a column of the SQL": (lambda: (count("day"),), "columns of the tables", "rename it"),
    "a word of SQL": (lambda: (count("order"),), "a word of SQL", "rename it"),
    "no unit": (lambda: (count(unit=""),), "unit is ''", "give it as text"),
    "no meaning": (lambda: (count(meaning=" "),), "meaning is ' '", "give it as text"),
    "no text on missing": (lambda: (count(missing=""),), "missing is ''", "give it as text"),
    "a window that is a number": (lambda: (count(window=7),), "window is 7", "give it as text"),
    "no hours": (lambda: (count(window="0h"),), "'0h' isn't supported", UNSUPPORTED),
    "too many hours": (lambda: (count(window="25h"),), "'25h' isn't supported", UNSUPPORTED),
    "too many days": (lambda: (count(window="61d"),), "'61d' isn't supported", UNSUPPORTED),
    "minutes": (lambda: (count(window="5m"),), "'5m' isn't supported", UNSUPPORTED),
    "hours since": (lambda: (last(within="24h"),), "'24h' doesn't fit", "use days"),
    "hours of labels": (lambda: (rate(window="24h"),), "'24h' doesn't fit", "use days"),
    "a merchant's hours": (
        lambda: (count(key="merchant_id", window="24h"),), "aren't kept online", "use 1d to 60d",
    ),
    "another key": (lambda: (count(key="device_id"),), "'device_id'", "use user_id or merchant_id"),
    "another aggregate": (lambda: (count(aggregate="median"),), "'median'", "use count or sum"),
    "another field": (
        lambda: (Request(name="x", field="price", **SAID),), "'price'", "use amount or",  # pyright: ignore[reportArgumentType]
    ),
    "a merchant's devices": (
        lambda: (FirstSeen(name="x", key="merchant_id", other="device_id", within="7d", **SAID),),  # pyright: ignore[reportArgumentType]
        "key is 'merchant_id'", "use user_id",
    ),
    "other labels": (
        lambda: (LabelCount(name="x", key="user_id", window="7d", of="all", **SAID),),  # pyright: ignore[reportArgumentType]
        "of is 'all'", "use labels or frauds",
    ),
    "an unknown column": (
        lambda: (count(aggregate="sum", column="price"),), "no column or feature price", "use one",
    ),
    "an id that is counted": (
        lambda: (count(column="device_id"),), "no column or feature device_id", "use one of amount",
    ),
    "an unknown numerator": (lambda: (ratio("x", "y"),), "no column or feature y", "use one of"),
    "an unknown mean": (
        lambda: (StandardScore(name="x", value="amount", mean="m", deviation="amount", **SAID),),
        "no column or feature m", "use one of amount",
    ),
    "a condition on nothing": (lambda: (where("y"),), "no column or feature y", "use one of"),
    "another comparison": (lambda: (where("amount", "!="),), "'!='", "use > or >="),
    "a condition on NaN": (lambda: (where("amount", value=float("nan")),), "nan", "finite number"),
    "a missing amount": (
        lambda: (where("amount", or_missing=True),), "never missing", "leave or_missing out",
    ),
    "a sum of nothing": (lambda: (count(aggregate="sum"),), "of which column", "say"),
    "distinct amounts": (
        lambda: (count(aggregate="distinct", column="amount"),), "devices or merchants", "use key=",
    ),
    "a merchant's distinct": (
        lambda: (count(aggregate="distinct", column="device_id", key="merchant_id"),),
        "a user's devices", "use key=",
    ),
    "distinct where": (
        lambda: (
            count(aggregate="distinct", column="device_id", where=Where("amount", ">", 1.0)),
        ),
        "distinct", "takes no condition",
    ),
    "itself": (lambda: (ratio("x", "x"),), "computed from itself", "name another"),
    "a condition on itself": (lambda: (where("x"),), "computed from itself", "name another"),
    "a circle": (
        lambda: (ratio("x", "y"), ratio("y", "z"), ratio("z", "x")),
        "computed from itself, by way of y and z", "break the circle",
    ),
    "three levels": (
        lambda: (
            count("first", aggregate="max", column="amount"),
            count("second", aggregate="max", column="first"),
            count(aggregate="max", column="second"),
        ),
        "looks back on second, which looks back on others", "use one of level 1",
    ),
    "another name for a field": (
        lambda: (Request(name="money", field="amount", **SAID), where("money")),
        "which is the transaction's amount", "write amount",
    ),
    "labels looked back on": (lambda: (rate("r"), where("r")), "made from labels", "use one that"),
    "labels behind a ratio": (
        lambda: (rate("r"), ratio("q", "r"), where("q")), "q, which is made from labels", "use one",
    ),
    "a negative maturity": (lambda: (rate(maturity=-1),), "-1 days", "use 0 to 60"),
    "a long maturity": (lambda: (rate(maturity=61),), "61 days", "use 0 to 60"),
    "a run with maturity": (
        lambda: (FraudRun(name="x", key="merchant_id", window="7d", maturity=1, **SAID),),
        "as they were known", "leave maturity out",
    ),
    "a rate over 1": (lambda: (rate(prior_rate=1.5),), "prior_rate is 1.5", "0 to 1"),
    "a prior of no weight": (lambda: (rate(prior_weight=0.0),), "prior_weight is 0.0", "over 0"),
    "a negative weight": (lambda: (rate(prior_weight=-1.0),), "prior_weight is -1.0", "over 0"),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "says", "mend"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_is_refused_with_the_features_name_and_the_mend(
    declared: Callable[[], tuple[Feature, ...]], says: str, mend: str
) -> None:
    with pytest.raises(CatalogueError) as refusal:
        Catalogue(*declared())
    text = str(refusal.value)
    assert any(
        text.startswith(f"feature {name}") for f in declared() for name in (f.name, repr(f.name))
    )
    assert says in text
    assert mend in text


def test_a_circle_is_named_by_its_own_features() -> None:
    with pytest.raises(CatalogueError, match="feature y is computed from itself, by way of z;"):
        Catalogue(ratio("outside", "y"), ratio("y", "z"), ratio("z", "y"))


def test_no_word_that_duckdb_keeps_for_itself_is_a_features_name() -> None:
    with duckdb.connect() as connection:
        words = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() "
            "WHERE keyword_category IN ('reserved', 'type_function')"
        ).fetchall()
    for (word,) in words:
        with pytest.raises(CatalogueError, match=r"rename it|single underscores"):
            Catalogue(count(word))


def test_conditions_that_differ_in_the_last_digit_have_columns_of_their_own() -> None:
    first, second = Where("amount", ">", 123456.71), Where("amount", ">", 123456.72)
    catalogue = Catalogue(count("a", where=first), count("b", where=second))
    (tiles,) = catalogue.tiles
    assert len({measure.name for measure in tiles.measures}) == len(tiles.measures) == 3
    assert str(Where("amount", ">", 2.5)) == "amount > 2.5"


def test_ages_of_merchants_and_windows_at_their_limits_are_taken() -> None:
    age = TimeSinceFirst(name="age", key="merchant_id", within="60d", **SAID)
    assert Catalogue(age, count(window="24h"), rate("r", maturity=60)).names == ("age", "x", "r")
