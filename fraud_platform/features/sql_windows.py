"""SQL for the windows: each figure that a feature needs of the past, as a column of the event."""

from collections.abc import Callable, Iterable

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    Key,
    LabelFeature,
    WindowAggregate,
)
from fraud_platform.features.declared import window_text
from fraud_platform.features.look_back import LookBack, past_by
from fraud_platform.features.measures import LabelMeasure, Measure
from fraud_platform.features.plan import KEYS, Catalogue
from fraud_platform.features.sql_ctes import Ctes
from fraud_platform.features.sql_figures import (
    Figure,
    column_of,
    distinct_column,
    first_seen_column,
    named,
)
from fraud_platform.features.sql_labels import LabelWindows
from fraud_platform.features.sql_tiles import DaysBefore

DAY = f"CAST((timestamp_us - timestamp_us % {DAY_US}) / {DAY_US} AS BIGINT)"
HOUR = f"timestamp_us - timestamp_us % {HOUR_US}"
ASKED = "timestamp_us >= start_us AND timestamp_us < end_us"

PerEvent = Callable[[Measure], str]


class Windows:
    """The windows of the features to compute; `given` relations are there already."""

    def __init__(
        self, catalogue: Catalogue, features: list[Feature], given: frozenset[str] = frozenset()
    ) -> None:
        self._catalogue = catalogue
        self._features = features
        self._ctes = Ctes(given)
        self._before = DaysBefore(catalogue, features, self._ctes)

    def ctes(self, per_event: PerEvent) -> list[str]:
        """The expressions; the last is `seen`, a row for each event with its figures."""
        figures = list({f.column: f for f in self._figures()}.values())
        events = [f for f in figures if isinstance(f.measure, Measure)]
        self._event_ctes(events, per_event)
        for key in KEYS:
            self._history(key, events)
            labels = [f for f in figures if f.key == key and isinstance(f.measure, LabelMeasure)]
            if labels and (tiles := self._catalogue.label_tiles(key)):
                LabelWindows(self._catalogue, tiles, self._ctes, self._before).add(labels)
        for feature in self._features:
            match feature:
                case FirstSeen():
                    self._first_seen(feature)
                case WindowAggregate(aggregate="distinct"):
                    self._distinct(feature)
        return self._ctes.end()

    def look_backs(self) -> list[LookBack]:
        """The passes over the users' tiles: of all that is made, most of the work."""
        tiles = self._catalogue.event_tiles("user_id", 1)
        figures = {f.column: f for f in self._figures() if isinstance(f.measure, Measure)}
        mine = [f for f in figures.values() if f.key == "user_id" and f.days and f.level == 1]
        if not tiles or not (mine or any(map(self._before.related_days, tiles.others))):
            return []
        return self._before.passes(tiles, mine)

    def _figures(self) -> Iterable[Figure]:
        for feature in self._features:
            if isinstance(feature, LabelFeature):
                for measure in self._catalogue.label_measures_of(feature):
                    days = feature.days_of(feature.window)
                    yield Figure(column_of(feature, measure), measure, feature.key, 0, days, 0)
                continue
            for measure in self._catalogue.measures_of(feature):
                window = feature.window_of(window_text(feature))
                key: Key = getattr(feature, "key")  # noqa: B009 - only features over a key measure
                days = window.days if key == "merchant_id" else max(window.days - 1, 0)
                level = self._catalogue.measure_level(measure)
                yield Figure(column_of(feature, measure), measure, key, window.us, days, level)

    def _event_ctes(self, figures: list[Figure], per_event: PerEvent) -> None:
        """`event`: each with what slides; `asked_event`: with all of its windows.

        Only sliding windows need the day before, so it carries nothing else, and the rest is
        computed after it is dropped.
        """
        mine, add = [f for f in figures if f.key == "user_id"], self._ctes.add
        given = {f.measure.name: f.measure for f in mine if isinstance(f.measure, Measure)}
        slides = {f.measure.name for f in mine if f.us}
        gives = {name: f"{per_event(measure)} AS e_{name}" for name, measure in given.items()}
        add("event", ["*", *(gives[name] for name in gives if name in slides)], "FROM transactions")
        sliding = {f.column: f.over("user_id", f"{f.us} PRECEDING") for f in mine if f.us}
        source = "event"
        if sliding:
            source = "slid"
            add(source, ["*", *named(sliding)], "FROM event")
        late = [sql for name, sql in gives.items() if name not in slides]
        columns = [f"{source}.*", f"{DAY} AS day", f"{HOUR} AS hour_us", *late]
        add("today", columns, f"FROM {source}, asked\n  WHERE {ASKED}")
        today = {f.today: f.over("user_id, day", "UNBOUNDED PRECEDING") for f in mine if not f.us}
        add("asked_event", ["today.*", *named(today)], "FROM today")

    def _history(self, key: Key, figures: list[Figure]) -> None:
        """Sums over the tiles of the full days before today, for each key and day asked about."""
        mine = [f for f in figures if f.key == key and not f.us]
        for level in (1, 2):
            of_level = [f for f in mine if f.level == level and f.days]
            tiles = self._catalogue.event_tiles(key, level)
            if tiles and (of_level or any(map(self._before.related_days, tiles.others))):
                self._before.merge(tiles, of_level)
        self._ctes.columns += named({f.column: f.merged() for f in mine})

    def _first_seen(self, feature: FirstSeen) -> None:
        """From the tiles alone, today's included: they say when an id was first seen that day."""
        other, opens = feature.other, feature.days_of(feature.within) - 1
        name, ctes = past_by("user_id", other), self._ctes
        ctes.joins[name] = ("user_id", other, "day")
        ctes.columns.append(
            f"CASE WHEN {name}.first_us < event.timestamp_us "
            f"OR {name}.last_day >= event.day - {opens} "
            f"THEN 0 ELSE 1 END AS {first_seen_column(feature)}"
        )

    def _distinct(self, feature: WindowAggregate) -> None:
        """A join of each event with those before it: windows have no distinct count."""
        window, column = feature.window_of(feature.window), feature.column
        name, ctes = distinct_column(feature), self._ctes
        opens = f"now.timestamp_us - {window.us}" if window.us else f"now.day * {DAY_US}"
        rows = (
            f"SELECT now.user_id, now.timestamp_us, past.{column} AS id\n"
            "    FROM moments AS now\n    JOIN event AS past\n"
            "      ON past.user_id = now.user_id AND past.timestamp_us < now.timestamp_us "
            f"AND past.timestamp_us >= {opens}"
        )
        if window.days > 1:
            rows += (
                f"\n    UNION ALL\n    SELECT now.user_id, now.timestamp_us, tile.{column} AS id\n"
                "    FROM moments AS now\n    JOIN user_tiles AS tile\n"
                "      ON tile.user_id = now.user_id AND tile.day < now.day "
                f"AND tile.day >= now.day - {window.days - 1}"
            )
        keys = ["user_id", "timestamp_us"]
        ctes.add("moments", ["DISTINCT user_id", "timestamp_us", "day"], "FROM asked_event")
        counted = [*keys, "COUNT(DISTINCT id) AS ids"]
        ctes.add(f"{name}_of", counted, f"FROM (\n    {rows}\n  ) AS seen_before", ", ".join(keys))
        ctes.joins[f"{name}_of"] = tuple(keys)
        ctes.columns.append(f"COALESCE({name}_of.ids, 0) AS {name}")
