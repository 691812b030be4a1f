"""What a declaration says in words: how a feature is computed, of what, and where it belongs."""

from dataclasses import MISSING, fields

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
from fraud_platform.features.declared import FIELDS, key_of, window_text
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import views

GROUPS = {
    "The transaction itself": "Known from the request alone.",
    "The user's pace": "How often and how much the user pays.",
    "The user's habit": "What the user's payments are like, and this one against them.",
    "Unusual payments": "The user's payments of the past, by features of them as they were then.",
    "The merchant": "The merchant's payments of all users.",
    "Labels": "What became known of earlier payments.",
    "Relations": "Whom or what the user was seen with.",
}
"""The groups in which features are shown, and what their features have in common."""

ITSELF, PACE, HABIT, UNUSUAL, MERCHANT, LABELS, RELATIONS = GROUPS

_FIELD_WORDS = {
    "amount": "cents / 100",
    "amount_log": "ln(1 + amount), rounded to four decimals",
    "hour_of_day": "hour of t in UTC",
    "day_of_week": "weekday of t in UTC",
}


def group_of(catalogue: Catalogue, feature: Feature) -> str:
    """The group of a feature, by its declaration; one made of others goes with the last of them."""
    match feature:
        case Request():
            return ITSELF
        case LabelFeature():
            return LABELS
        case FirstSeen() | WindowAggregate(aggregate="distinct"):
            return RELATIONS
    if feature.needs:
        needed = [group_of(catalogue, catalogue[n]) for n in feature.needs if n in catalogue.names]
        return max(needed, key=list(GROUPS).index, default=ITSELF)
    if key_of(feature) == "merchant_id":
        return MERCHANT
    if catalogue.level(feature.name) == 2:
        return UNUSUAL
    typical = isinstance(feature, WindowAggregate) and feature.aggregate not in ("count", "sum")
    return HABIT if typical else PACE


def span_of(feature: Feature) -> str:
    """The time that a feature's window covers, in words; t is the time of the transaction."""
    if not (text := window_text(feature)):
        return ""
    window = feature.window_of(text)
    if isinstance(feature, LabelFeature):
        before = f" or on the {window.days - 1} days before" if window.days > 1 else ""
        return f"known today before t's hour{before}"
    if key_of(feature) == "merchant_id":
        return f"of the {window.days} full days before today"
    if window.us:
        return f"in the {text.removesuffix('h')} h before t"
    before = f" and on the {window.days - 1} full days before" if window.days > 1 else ""
    return f"today before t{before}"


def how(feature: Feature) -> str:
    """How a feature is computed, in one line."""
    if isinstance(feature, LabelFeature):
        return _how_of_labels(feature)
    events = f"{_payments_of(feature)} {span_of(feature)}"
    match feature:
        case Request(field=field):
            return _FIELD_WORDS[field]
        case WindowAggregate(aggregate="distinct", column=column):
            return f"number of different `{column}` in {events}"
        case WindowAggregate(aggregate="count", column=column):
            counted = f" that have `{column}`" if column and column not in FIELDS else ""
            return f"number of {events}{counted}"
        case WindowAggregate(aggregate=aggregate, column=column):
            return f"{aggregate} of `{column}` over {events}"
        case TimeSinceLast() | TimeSinceFirst():
            which = "last" if isinstance(feature, TimeSinceLast) else "first"
            return f"t - time of the {which} of {events}"
        case FirstSeen(other=other):
            return f"0 where one of {events} has the same `{other}`, else 1"
        case Ratio(numerator=a, denominator=b):
            return f"`{a}` / `{b}`"
        case StandardScore(value=value, mean=mean, deviation=deviation):
            return f"(`{value}` - `{mean}`) / `{deviation}`"
    raise TypeError(f"feature {feature.name}: no words for {type(feature).__name__}")


def _how_of_labels(feature: LabelFeature) -> str:
    mature = f", each from {feature.maturity} days after its payment" if feature.maturity else ""
    labels = f"{_payments_of(feature)}, {span_of(feature)}{mature}"
    match feature:
        case LabelRate(prior_rate=rate, prior_weight=weight):
            rule = f"(frauds + {rate:g} * {weight:g}) / (labels + {weight:g})"
            return f"{rule} over the labels of {labels}"
        case LabelCount(of=of):
            what = "labels" if of == "labels" else "labels of fraud"
            return f"number of {what} of {labels}"
        case LastLabel():
            return f"verdict of the last label of {labels}"
        case TimeSinceLabel(of=of):
            last = {"labels": "label", "frauds": "fraud", "legitimate": "legitimate label"}[of]
            return f"t - time of the last {last} of {labels}"
        case FraudRun(of="frauds"):
            return f"number of frauds since the last legitimate label of {labels}"
        case FraudRun():
            return f"t - time of the first fraud since the last legitimate label of {labels}"
    raise TypeError(f"feature {feature.name}: no words for {type(feature).__name__}")


def _payments_of(feature: Feature) -> str:
    owner = "user's" if key_of(feature) == "user_id" else "merchant's"
    where = getattr(feature, "where", None)
    return f"the {owner} payments" + (f" with `{where}`" if where else "")


def views_of(catalogue: Catalogue, feature: Feature) -> tuple[str, ...]:
    """The online views that a feature, with all that it is computed from, reads."""
    found = set(_own_views(feature))
    for name in catalogue.in_order(feature.needs):
        found |= set(_own_views(catalogue[name]))
    return tuple(view.name for view in views(catalogue) if view.name in found)


def _own_views(feature: Feature) -> tuple[str, ...]:
    key = key_of(feature)
    if key is None:
        return ()
    entity = key.removesuffix("_id")
    if isinstance(feature, LabelFeature):
        return (f"{entity}_labels",)
    if key == "merchant_id":
        return ("merchant_daily",)
    whole_days = feature.window_of(window_text(feature)).days > 1
    return ("user_recent", "user_daily") if whole_days else ("user_recent",)


def tile_columns_of(catalogue: Catalogue, feature: Feature) -> tuple[str, ...]:
    """The columns of the tables of tiles that a feature itself is computed from."""
    key = key_of(feature)
    if key is None or not feature.window_of(window_text(feature)).days:
        return ()
    if isinstance(feature, LabelFeature):
        tiles = catalogue.label_tiles(key)
        assert tiles is not None
        return tuple(f"{tiles.name}.{m.name}" for m in catalogue.label_measures_of(feature))
    found = [
        f"{tiles.name}.{m.name}"
        for m in catalogue.measures_of(feature)
        if (tiles := catalogue.event_tiles(key, catalogue.measure_level(m)))
    ]
    other = feature.other if isinstance(feature, FirstSeen) else getattr(feature, "column", None)
    tiles = catalogue.event_tiles(key, 1)
    if not found and tiles and other in tiles.others:
        found = [f"{tiles.name}.{other}"]
    return tuple(found)


def needed_by(catalogue: Catalogue, name: str) -> tuple[str, ...]:
    """The features that are computed from this one, or look it up of past events."""
    return tuple(f.name for f in catalogue if name in (*f.needs, *f.looks_back_on))


def declaration_of(feature: Feature) -> str:
    """The declaration as it stands in the catalogue."""
    said = "".join(
        f"    {field.name}={value!r},\n"
        for field in fields(feature)
        if (value := getattr(feature, field.name)) != field.default or field.default is MISSING
    )
    return f"{type(feature).__name__}(\n{said})"
