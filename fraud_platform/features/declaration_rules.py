"""What a declaration must hold by itself, whatever else the catalogue has."""

import math
import re
from typing import Literal, get_args, get_origin, get_type_hints

from fraud_platform.features.declarations import (
    MAX_DAYS,
    CatalogueError,
    Feature,
    Field,
    LabelFeature,
    LabelRate,
    Where,
)

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

# Columns of the tables and of the statements; a feature of that name would be taken for one.
_OURS = re.compile(r"day|fraud|event_date|e_.*|.*_(id|us|cents|hashes)")

_SQL = frozenset(
    """
    all analyse analyze and any anti array as asc asof asymmetric at authorization binary both
    by case cast check collate collation column columns concurrently constraint create cross
    default deferrable desc describe distinct do else end except false fetch for foreign freeze
    from full generated glob group having ilike in initially inner intersect into is isnull join
    lambda lateral leading left like limit map natural not notnull null offset on only or order
    outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references
    returning right select semi show similar some struct summarize symmetric table tablesample
    then to trailing true try_cast tuple union unique unpack unpivot using variadic verbose when
    where window with
    """.split()  # noqa: SIM905 - as a list it would be ninety lines
)
"""What DuckDB doesn't take as the name of a column."""


def check_declaration(feature: Feature) -> None:
    """Raises CatalogueError for a declaration that is wrong by itself."""
    _check_name(feature.name)
    of_whom = f"feature {feature.name}"
    _check_types(of_whom, feature)
    where = getattr(feature, "where", None)
    if where is not None:
        _check_where(f"{of_whom}: its condition", where)
    if isinstance(feature, LabelFeature) and not 0 <= feature.maturity <= MAX_DAYS:
        raise CatalogueError(
            f"{of_whom}: a maturity of {feature.maturity} days isn't supported; use 0 to {MAX_DAYS}"
        )
    if isinstance(feature, LabelRate):
        if not 0 <= feature.prior_rate <= 1:
            raise CatalogueError(
                f"{of_whom}: prior_rate is {feature.prior_rate}; use a share, 0 to 1"
            )
        if not 0 < feature.prior_weight < math.inf:
            raise CatalogueError(
                f"{of_whom}: prior_weight is {feature.prior_weight}; use a number of labels over "
                "0, or the rate of no labels would be 0 / 0"
            )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise CatalogueError(
            f"feature {name!r}: begin the name with a letter, and use lower-case letters, digits "
            "and single underscores between them"
        )
    if name in _SQL or _OURS.fullmatch(name):
        what = "a word of SQL" if name in _SQL else "what columns of the tables are called"
        raise CatalogueError(f"feature {name}: the name is {what}; rename it")


def _check_where(of_whom: str, where: Where) -> None:
    _check_types(of_whom, where)
    if not math.isfinite(where.value):
        raise CatalogueError(f"{of_whom} compares with {where.value}; use a finite number")
    if where.or_missing and where.column in get_args(Field):
        raise CatalogueError(
            f"{of_whom} is on {where.column}, which is never missing; leave or_missing out"
        )


def _check_types(of_whom: str, declared: Feature | Where) -> None:
    """Text that is there, and of what can be chosen one that there is."""
    for name, kind in get_type_hints(type(declared)).items():
        value = getattr(declared, name)
        if get_origin(kind) is Literal and value not in get_args(kind):
            known = " or ".join(get_args(kind))
            raise CatalogueError(f"{of_whom}: {name} is {value!r}; use {known}")
        if kind is str and not (isinstance(value, str) and value.strip()):
            raise CatalogueError(f"{of_whom}: {name} is {value!r}; give it as text")
