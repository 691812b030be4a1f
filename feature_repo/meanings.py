"""What the fields of the online views hold, in a sentence each: Feast's pages show it."""

from fraud_platform.features.columns import INTEGERS, base_column, scale_of
from fraud_platform.features.declarations import Feature
from fraud_platform.features.measures import LabelMeasure, Measure
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.state import View, hash_field, related_fields

OWNER = "predictflow"

_WRITERS = {
    "recent": "The user's events of the last 72 hours. Written by the stream worker, or by the "
    "asset online_features where no stream runs.",
    "daily": "Figures of each day, up to the day that as_of_us begins. Written by the asset "
    "online_features.",
    "labels": "Figures of each day's known labels, up to the hour that as_of_us begins. Written by "
    "the asset online_labels.",
}

_ALWAYS = {
    "as_of_us": "Up to when the state is complete, in microseconds UTC.",
    "days": "The days that have figures, counted from 1970-01-01; the other lists have a place for "
    "each.",
    "timestamps_us": "When each event was, in microseconds UTC, in ascending order.",
    "amounts_cents": "Amount of each event in cents.",
    "transaction_hashes": "Hash of each event's transaction_id.",
}

_EVENTS = {
    "n": "Number of events",
    "sum": "Sum",
    "sumsq": "Sum of squares",
    "max": "Largest",
    "min": "Smallest",
    "first": "First event, in microseconds UTC",
    "last": "Last event, in microseconds UTC",
}

_LABELS = {
    "labels": "Number of labels",
    "frauds": "Number of frauds",
    "last": "Last label, as known_at_us * 2 + is_fraud",
    "last_fraud": "When the last fraud was known, in microseconds UTC",
    "last_legitimate": "When the last legitimate label was known, in microseconds UTC",
    "run": "Frauds known since the last legitimate label",
    "run_start": "When the first of those was known, in microseconds UTC",
}


def view_meaning(view: View) -> str:
    """What a view holds and who writes it."""
    return _WRITERS.get(view.name.rpartition("_")[2], "")


def field_meanings(catalogue: Catalogue) -> dict[str, str]:
    """The sentence of each field that a view of the catalogue can have, by its name."""
    found = dict(_ALWAYS)
    for other in catalogue.hashed:
        found[hash_field(other)] = f"Hash of each event's {other}; 0 for none."
    for other in (other for key in KEYS for other in catalogue.others(key)):
        hashes, days = related_fields(other)
        found[hashes] = f"Hash of each {other} seen."
        found[days] = (
            f"Days on which each {other} was seen: bit k is the day k + 1 before as_of_us."
        )
    for name in catalogue.looked_back:
        found[name] = f"Of each event: {catalogue[name].meaning}"
    for measure in (measure for tiles in catalogue.tiles for measure in tiles.measures):
        found[measure.name] = f"Of each day: {_of(measure)}."
    return found


def feature_tags(feature: Feature) -> dict[str, str]:
    """A declaration's kind, unit and what a missing value means."""
    return {"kind": feature.kind, "unit": feature.unit, "missing": feature.missing}


def _of(measure: Measure | LabelMeasure) -> str:
    if isinstance(measure, LabelMeasure):
        text = _LABELS[measure.what]
        if measure.maturity:
            text += f", once the transaction is {measure.maturity} days old"
    else:
        text = _EVENTS[measure.what]
        if measure.column is not None:
            text += f" of {_column(measure.column)}"
    return text if measure.where is None else f"{text}, of payments with {measure.where}"


def _column(column: str) -> str:
    """A column and the unit of its integers."""
    scale = scale_of(column)
    name = column if column in INTEGERS else base_column(column)
    return f"{name} in units of 1/{scale}" if scale != 1 else f"{name}"
