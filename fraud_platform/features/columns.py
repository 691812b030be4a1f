"""Figures of one event: their value as a float, and the integer that sums are made of.

Each is given twice, as SQL and as Python, which must agree to the bit on every engine. A division
is IEEE division of two doubles; a logarithm, whose last bit engines differ in, is rounded to four
decimals at once.
"""

import math
from collections.abc import Callable

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.declarations import Where

LOG_SCALE = 10_000
"""An amount's logarithm is kept in ten-thousandths. No amount of whole cents up to the contract's
million lies so near a half of one that an error in the logarithm's last bits could round it the
other way (a test looks at all hundred million)."""

FEATURE_SCALE, COARSE_SCALE = 10_000, 100
_MOST, _COARSE_MOST = 10**13, 10**7
"""Where the integer of a feature ends, so that no sum of them leaves 64 bits."""

_AMOUNT = "CAST(amount_cents AS DOUBLE) / CAST(100 AS DOUBLE)"
_LOG = (
    f"CAST(FLOOR(LN(CAST(1 AS DOUBLE) + {_AMOUNT}) * CAST({LOG_SCALE} AS DOUBLE) "
    "+ CAST(0.5 AS DOUBLE)) AS BIGINT)"
)
_HOUR = f"CAST((timestamp_us % {DAY_US} - timestamp_us % {HOUR_US}) / {HOUR_US} AS BIGINT)"
# The epoch was a Thursday, day 3 of the week.
_WEEKDAY = (
    f"CAST((timestamp_us - timestamp_us % {DAY_US} + {3 * DAY_US}) % {7 * DAY_US} / {DAY_US} "
    "AS BIGINT)"
)

_INTEGER_SQL = {
    "amount": ("amount_cents", 100),
    "amount_whole": ("CAST(FLOOR(" + _AMOUNT + ") AS BIGINT)", 1),
    "amount_log": (_LOG, LOG_SCALE),
    "hour_of_day": (_HOUR, 1),
    "day_of_week": (_WEEKDAY, 1),
}

Integer = Callable[[int, int], int]
"""Of (timestamp_us, amount_cents)."""


def _log(_us: int, cents: int) -> int:
    return math.floor(math.log(1.0 + cents / 100.0) * LOG_SCALE + 0.5)


INTEGERS: dict[str, Integer] = {
    "amount": lambda _us, cents: cents,
    "amount_whole": lambda _us, cents: math.floor(cents / 100.0),
    "amount_log": _log,
    "hour_of_day": lambda us, _cents: us % DAY_US // HOUR_US,
    "day_of_week": lambda us, _cents: (us // DAY_US + 3) % 7,
}
"""The integers of the figures of the transaction itself."""


def coarse_column(column: str) -> str:
    """The column that squares are summed of: fewer digits, so that they stay within 64 bits."""
    if column == "amount":
        return "amount_whole"
    return column if column in INTEGERS else f"{column}__coarse"


def base_column(column: str | None) -> str | None:
    """The declared column behind a coarse one."""
    if column == "amount_whole":
        return "amount"
    return column.removesuffix("__coarse") if column else None


def scale_of(column: str) -> int:
    """How many of the column's integers are one unit."""
    if column in _INTEGER_SQL:
        return _INTEGER_SQL[column][1]
    return COARSE_SCALE if column.endswith("__coarse") else FEATURE_SCALE


def integer_sql(column: str) -> str:
    """SQL for a column's integer; null where a feature is missing."""
    if column in _INTEGER_SQL:
        return _INTEGER_SQL[column][0]
    most = _limit(column)
    feature = base_column(column)
    scaled = f"{feature} * CAST({scale_of(column)} AS DOUBLE)"
    # GREATEST and LEAST pass over nulls.
    return (
        f"CASE WHEN {feature} IS NOT NULL THEN CAST(FLOOR(GREATEST(LEAST({scaled}, "
        f"CAST({most} AS DOUBLE)), CAST(-{most} AS DOUBLE)) + CAST(0.5 AS DOUBLE)) AS BIGINT) END"
    )


def feature_integer(column: str, value: float) -> int:
    """The integer of a feature's value that isn't missing, as `integer_sql` has it."""
    most = float(_limit(column))
    return math.floor(max(min(value * scale_of(column), most), -most) + 0.5)


def _limit(column: str) -> int:
    return _COARSE_MOST if column.endswith("__coarse") else _MOST


def value_sql(column: str) -> str:
    """SQL for a column's value as a double; null where a feature is missing."""
    if column not in _INTEGER_SQL:
        return column
    sql, scale = _INTEGER_SQL[column]
    return as_double(sql) if scale == 1 else f"{as_double(sql)} / CAST({scale} AS DOUBLE)"


def as_double(sql: str) -> str:
    """The SQL expression as a double."""
    return f"CAST({sql} AS DOUBLE)"


def condition_sql(where: Where) -> str:
    """SQL for a condition; null, which selects nothing, where the column is missing."""
    comparison = "=" if where.comparison == "==" else where.comparison
    condition = f"{value_sql(where.column)} {comparison} CAST({where.value!r} AS DOUBLE)"
    return f"({condition} OR {where.column} IS NULL)" if where.or_missing else condition
