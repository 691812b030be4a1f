"""A feature's value in plain words, made from its declaration: "6 payments of the user in the last
hour"."""

import math
from typing import Literal

from fraud_platform.clock import HOUR_US
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelFeature,
    LabelRate,
    LastLabel,
    Ratio,
    Request,
    StandardScore,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.declared import Declared, key_of, window_text
from fraud_platform.features.phrases import (
    OF_FIELDS,
    Against,
    Choice,
    Count,
    Figure,
    Phrase,
    Time,
    number,
    share,
)

_Then = Literal["", "the", "their"]
"""Empty for what is said of now; else of a past payment, of the same user or of one of its own."""

_AGGREGATES = {"sum": "total", "mean": "mean", "max": "largest", "min": "smallest"}
_DEVIATIONS = ("standard deviations above", "standard deviations below")


def in_words(catalogue: Declared, name: str, value: float) -> str:
    """What the value (NaN where it is missing) of the feature `name` says, in one phrase.

    A missing one says of what and, by the declaration, when that is.
    """
    feature = catalogue[name]
    if math.isnan(value):
        meaning = feature.meaning.rstrip(".")
        why = "missing" if feature.missing == Feature.missing else feature.missing
        return f"{meaning[:1].lower()}{meaning[1:]}: {why}"
    return phrase_of(catalogue, name).says(value)


def phrase_of(catalogue: Declared, name: str, then: _Then = "") -> Phrase:
    """The phrase of a feature or a figure of the transaction."""
    if name in OF_FIELDS:
        return OF_FIELDS[name]
    feature = catalogue[name]
    owner, where = _owner(feature, then), _where(catalogue, feature)
    payments = f"{_span(feature, then)}{where}"
    match feature:
        case Request(field=field):
            return OF_FIELDS[field]
        case WindowAggregate():
            return _of_window(catalogue, feature, then)
        case TimeSinceLast():
            before = " before today" if feature.key == "merchant_id" else ""
            return Time(since=f"{owner}'s last payment{before}{where}")
        case TimeSinceFirst():
            return Time(since=f"{owner}'s first payment {payments}")
        case FirstSeen(other=other):
            what = other.removesuffix("_id")
            return Choice(
                noun=f"the novelty of the {what} (1 or 0)",
                yes=f"user not seen with this {what} {payments}",
                no=f"user seen with this {what} {payments}",
                such=(f"with a new {what}", f"with a known {what}"),
            )
        case LabelFeature():
            return _of_labels(catalogue, feature)
        case Ratio(numerator=one, denominator=other):
            noun, measure = "the ratio of {} to {}", ("times", "")
        case StandardScore(value=one, mean=other):
            noun, measure = "the standard score of {}", _DEVIATIONS
        case _:
            raise TypeError(f"feature {feature.name}: no words for {type(feature).__name__}")
    found = phrase_of(catalogue, one, then)
    against = phrase_of(catalogue, other, then).noun
    if other in catalogue.names and getattr(catalogue[other], "column", None) == one:
        against = against.replace(f" {found.bare}", "", 1)  # "the user's mean" of the same figure
    noun = noun.format(found.noun, against)
    return Against(noun=noun, one=found.noun, other=against, measure=measure)


def _of_window(catalogue: Declared, feature: WindowAggregate, then: _Then) -> Phrase:
    owner, span = _owner(feature, then), _span(feature, then)
    where = _where(catalogue, feature)
    match feature:
        case WindowAggregate(aggregate="distinct", column=str(column)):
            different = f"different {column.removesuffix('_id')}"
            return Count(thing=different, rest=f"of {owner} {span}")
        case WindowAggregate(aggregate="count", column=column):
            at = "of" if feature.key == "user_id" else "at"
            rest = f"{at} {owner} {span}{where}"
            if column is not None and column not in OF_FIELDS:
                rest += f", with {phrase_of(catalogue, column, _seen(feature)).noun} known"
            return Count(thing="payment", rest=rest)
        case WindowAggregate(aggregate=aggregate, column=str(column)):
            of = phrase_of(catalogue, column, _seen(feature))
            if isinstance(of, Choice) and of.such and aggregate in ("sum", "mean"):
                those = f"{span}{where} {of.such[0]}"
                if aggregate == "sum":
                    return Count(thing="payment", rest=f"of {owner} {those}")
                return Figure(noun=f"the share of {owner}'s payments {those}", write=share)
            payments = f"{span}, of payments{where}," if where else span
            if aggregate == "std":
                write = of.quantity if column in ("amount", "amount_log") else number
                noun = f"the standard deviation of {owner}'s {of.bare} {payments}"
                return Figure(noun=noun, write=write)
            noun = f"{owner}'s {_AGGREGATES[aggregate]} {of.bare} {payments}"
            return Figure(noun=noun, write=of.quantity)
    raise TypeError(f"feature {feature.name}: no words for {feature.aggregate} of nothing")


def _of_labels(catalogue: Declared, feature: LabelFeature) -> Phrase:
    owner, span = _owner(feature), _span(feature)
    only = [_where(catalogue, feature).strip()] if feature.where else []
    only += [f"at least {feature.maturity} days old"] if feature.maturity else []
    of = f", of payments {' and '.join(only)}" if only else ""
    within = f"{span}{of}," if of else span
    match feature:
        case LabelRate():
            return Figure(noun=f"{owner}'s share of fraud {within}", write=share)
        case LabelCount(of=what):
            return Count(thing=what.removesuffix("s"), rest=f"of {owner} known {span}{of}")
        case LastLabel():
            noun = f"{owner}'s last label {within}"
            bare = noun.removeprefix("the ")
            return Choice(noun=noun, yes=f"{bare} is fraud", no=f"{bare} is legitimate")
        case TimeSinceLabel(of=what):
            last = {"labels": "label", "frauds": "fraud", "legitimate": "legitimate label"}[what]
            return Time(since=f"{owner}'s last {last} became known{of}")
        case FraudRun(of="frauds"):
            return Count(
                thing="fraud", rest=f"of {owner} known since the last legitimate label{of}"
            )
        case FraudRun():
            run = f"{owner}'s frauds after the last legitimate label"
            return Time(since=f"the first of {run} became known{of}")
    raise TypeError(f"feature {feature.name}: no words for {type(feature).__name__}")


def _owner(feature: Feature, then: _Then = "") -> str:
    entity = (key_of(feature) or "").removesuffix("_id")
    return f"{then} {entity}" if entity == "user" and then else f"the {entity}"


def _seen(feature: Feature) -> _Then:
    """How past payments of the feature's key are spoken of: a merchant's are of several users."""
    return "the" if key_of(feature) == "user_id" else "their"


def _where(catalogue: Declared, feature: Feature) -> str:
    where = getattr(feature, "where", None)
    if where is None:
        return ""
    return f" {phrase_of(catalogue, where.column, _seen(feature)).condition(where)}"


def _span(feature: Feature, then: _Then = "") -> str:
    """When a window's events were, seen from now, or from a past payment."""
    if not (text := window_text(feature)):
        return ""
    window = feature.window_of(text)
    count, unit = (window.us // HOUR_US, "hour") if window.us else (window.days, "day")
    length = unit if count == 1 else f"{count} {unit}s"
    if key_of(feature) == "merchant_id" and not isinstance(feature, LabelFeature):
        return f"in the {length} before {'its day' if then else 'today'}"
    if text == "1d":
        return "earlier on its day" if then else "today"
    return f"in the {length} before" if then else f"in the last {length}"
