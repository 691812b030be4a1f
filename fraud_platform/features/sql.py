"""The catalogue compiled to SQL that runs unchanged on DuckDB and Spark.

Times are BIGINT microseconds; windows are RANGE frames that end one microsecond before the event,
so that equal timestamps never see each other; long windows are sums over daily tiles; everything
summed is an integer, divided once at the end. The relations that a statement reads:

- `asked`: one row, start_us and end_us, whole days; the statement is about start_us <= t < end_us.
- `transactions`: transaction_id, timestamp_us, user_id, merchant_id, device_id, amount_cents, with
  the day before where a window slides; for the features also the columns that `habits_sql` made.
- tables of tiles, each with `day` (days since 1970) or `hour_us`, its key and its measures.
- where a statement is told that they are `given`: what `look_back_sql` and `label_days_sql` made,
  which it otherwise computes itself.
- `labels`: event_date (the day from which it was known), transaction_id, timestamp_us,
  labelled_at_us, user_id, merchant_id, amount_cents, is_fraud.
"""

from collections.abc import Iterable

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.columns import condition_sql, integer_sql
from fraud_platform.features.look_back import LookBack, day_look_back_sql, range_look_back_sql
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.sql_features import feature_layers
from fraud_platform.features.sql_labels import DAY_OF_HOUR
from fraud_platform.features.sql_windows import ASKED, DAY, Windows

IDENTITY = ("transaction_id", "timestamp_us", "user_id", "merchant_id", "device_id", "amount_cents")


def event_tiles_sql(tiles: Tiles) -> str:
    """SQL for the daily tiles of the asked transactions."""
    keys = ["day", tiles.key, *tiles.others]
    measures = [m for m in tiles.measures if isinstance(m, Measure)]
    per_event = [f"{per_event_sql(m)} AS e_{m.name}" for m in measures]
    figures = [f"CAST({m.reduce.upper()}(e_{m.name}) AS BIGINT) AS {m.name}" for m in measures]
    statement = (
        "WITH event AS (\n  SELECT "
        + ",\n    ".join([f"{DAY} AS day", *keys[1:], *per_event])
        + f"\n  FROM transactions, asked\n  WHERE {ASKED}\n)\nSELECT "
        + ",\n  ".join([*keys, *figures])
        + f"\nFROM event\nGROUP BY {', '.join(keys)}"
    )
    if tiles.name.endswith("_habit_tiles"):  # most users have nothing of the kind on most days
        some = " OR ".join(f"MAX(e_{m.name}) {_is_some(m)}" for m in measures)
        statement += f"\nHAVING {some}"
    return statement


def _is_some(measure: Measure) -> str:
    return "> 0" if measure.what == "n" else "IS NOT NULL"


def per_event_sql(measure: Measure) -> str:
    """SQL for what one event gives to a measure."""
    column = measure.column
    integer = integer_sql(column) if column else ""
    conditions = [condition_sql(measure.where)] if measure.where else []
    match measure.what:
        case "n":
            conditions += [f"{integer} IS NOT NULL"] if column else []
            if not conditions:
                return "1"
            return f"CASE WHEN {' AND '.join(conditions)} THEN 1 ELSE 0 END"
        case "first" | "last":
            figure = "timestamp_us"
        case "sumsq":
            figure = f"{integer} * {integer}"
        case _:
            figure = integer
    return f"CASE WHEN {conditions[0]} THEN {figure} END" if conditions else figure


def label_tiles_sql(catalogue: Catalogue, tiles: Tiles) -> str:
    """SQL for the hourly tiles of `labels`.

    The hour is that in which a label was known and, with a maturity, its transaction old enough.
    """
    measures = [m for m in tiles.measures if isinstance(m, LabelMeasure)]
    used = {m.where.column for m in measures if m.where} & set(catalogue.looked_back)
    habits = [f"habit.{name}" for name in catalogue.looked_back if name in used]
    join = (
        "\n  LEFT JOIN transactions AS habit\n    ON habit.transaction_id = label.transaction_id"
        " AND habit.timestamp_us = label.timestamp_us"
        if habits
        else ""
    )
    columns = ["label.timestamp_us", "label.labelled_at_us", "label.amount_cents"]
    labelled = (
        f"labelled AS (\n  SELECT label.event_date, label.{tiles.key}, "
        + ", ".join([*columns, *habits])
        + ", CASE WHEN label.is_fraud THEN 1 ELSE 0 END AS fraud\n  FROM labels AS label"
        + f"{join}\n  WHERE label.{tiles.key} IS NOT NULL\n)"
    )
    parts = [_matured(tiles, measures, days) for days in sorted({m.maturity for m in measures})]
    figures = [f"CAST({m.reduce.upper()}({m.name}) AS BIGINT) AS {m.name}" for m in measures]
    return (
        f"WITH {labelled}\nSELECT "
        + ",\n  ".join(["event_date", tiles.key, "hour_us", *figures])
        + "\nFROM (\n"
        + "\n  UNION ALL\n".join(parts)
        + f"\n) AS known\nGROUP BY event_date, {tiles.key}, hour_us"
    )


def _matured(tiles: Tiles, measures: list[LabelMeasure], maturity: int) -> str:
    """What each label gives to the measures of one maturity; the others' are null."""
    known = "labelled_at_us"
    if maturity:
        known = f"GREATEST(labelled_at_us, timestamp_us + {maturity * DAY_US})"
    mine = [m for m in measures if m.maturity == maturity]
    hour = f"{known} - {known} % {HOUR_US}"
    runs = {m.after for m in mine} - {None}
    last = [
        f"MAX({_per_label(m, known)}) OVER (PARTITION BY {tiles.key}, {hour}) AS in_hour__{m.name}"
        for m in measures
        if m in runs
    ]
    source = "labelled"
    if last:
        source = (
            "(\n    SELECT *,\n      "
            + ",\n      ".join(last)
            + "\n    FROM labelled\n  ) AS label"
        )
    figures = [
        f"{_per_label(m, known) if m in mine else 'CAST(NULL AS BIGINT)'} AS {m.name}"
        for m in measures
    ]
    columns = ",\n    ".join(["event_date", tiles.key, f"{hour} AS hour_us", *figures])
    return f"  SELECT {columns}\n  FROM {source}"


def _per_label(measure: LabelMeasure, known: str) -> str:
    figure = {
        "labels": "1",
        "frauds": "fraud",
        "last": f"{known} * 2 + fraud",
        "last_fraud": known,
        "last_legitimate": known,
        "run": "1",
        "run_start": known,
    }[measure.what]
    conditions = [condition_sql(measure.where)] if measure.where else []
    match measure.what:
        case "last_fraud" | "run" | "run_start":
            conditions.append("fraud = 1")
        case "last_legitimate":
            conditions.append("fraud = 0")
    if measure.after is not None:
        last = f"in_hour__{measure.after.name}"
        conditions.append(f"({last} IS NULL OR {known} > {last})")
    otherwise = " ELSE 0" if measure.reduce == "sum" else ""
    if not conditions:
        return figure
    return f"CASE WHEN {' AND '.join(conditions)} THEN {figure}{otherwise} END"


def label_days_sql(catalogue: Catalogue, tiles: Tiles) -> str:
    """SQL for the sums by day of the hourly tiles of labels, which are read by their name."""
    measures = catalogue.label_days(tiles).measures
    figures = [f"CAST({m.reduce.upper()}({m.name}) AS BIGINT) AS {m.name}" for m in measures]
    columns = ["event_date", tiles.key, f"{DAY_OF_HOUR} AS day", *figures]
    return (
        "SELECT "
        + ",\n  ".join(columns)
        + f"\nFROM {tiles.name}\nGROUP BY event_date, {tiles.key}, {DAY_OF_HOUR}"
    )


def look_backs(catalogue: Catalogue) -> list[LookBack]:
    """What is merged of the users' tiles once, for habits and features."""
    return Windows(catalogue, list(catalogue.features)).look_backs()


def look_back_sql(look_back: LookBack, days: int = 1) -> str:
    """SQL for one of them, of the users and days of the asked transactions.

    For several days another statement gives the same rows sooner.
    """
    key = look_back.tiles.key
    asked_days = f"SELECT DISTINCT {key}, {DAY} AS day\n  FROM transactions, asked\n  WHERE {ASKED}"
    return (day_look_back_sql if days == 1 else range_look_back_sql)(look_back, asked_days)


def habits_sql(catalogue: Catalogue, given: Iterable[str] = ()) -> str:
    """SQL for the asked transactions with the features of theirs that others look back on."""
    return _select(catalogue, catalogue.looked_back, (), given)


def features_sql(catalogue: Catalogue, given: Iterable[str] = ()) -> str:
    """SQL for the feature rows of the asked transactions, in catalogue order.

    `transactions` are those that `habits_sql` gave.
    """
    return _select(catalogue, catalogue.names, catalogue.looked_back, given)


def _select(
    catalogue: Catalogue, names: tuple[str, ...], stored: tuple[str, ...], given: Iterable[str]
) -> str:
    layers = feature_layers(catalogue, names, stored)
    features = [f for layer in layers for f in layer.features]
    windows = Windows(catalogue, features, frozenset(given))
    ctes = windows.ctes(per_event_sql)
    source = "seen"
    for i, layer in enumerate(layers):
        made = ",\n    ".join(f"{layer.sql[f.name]} AS {f.name}" for f in layer.features)
        ctes.append(f"layer_{i} AS (\n  SELECT *,\n    {made}\n  FROM {source}\n)")
        source = f"layer_{i}"
    return (
        "WITH "
        + ",\n".join(ctes)
        + "\nSELECT "
        + ", ".join(IDENTITY)
        + "".join(f",\n  {name}" for name in names)
        + f"\nFROM {source}"
    )
