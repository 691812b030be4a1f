"""SQL for the windows: each figure that a feature needs of the past, as a column of the event."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.declarations import (
    Feature,
    FirstSeen,
    Key,
    LabelFeature,
    WindowAggregate,
)
from fraud_platform.features.look_back import LookBack, Merged, past_by
from fraud_platform.features.measures import LabelMeasure, Measure, Tiles
from fraud_platform.features.plan import KEYS, Catalogue

DAY = f"CAST((timestamp_us - timestamp_us % {DAY_US}) / {DAY_US} AS BIGINT)"
DAY_OF_HOUR = f"CAST((hour_us - hour_us % {DAY_US}) / {DAY_US} AS BIGINT)"
HOUR = f"timestamp_us - timestamp_us % {HOUR_US}"
ASKED = "timestamp_us >= start_us AND timestamp_us < end_us"

PerEvent = Callable[[Measure], str]


def column_of(feature: Feature, measure: Measure | LabelMeasure) -> str:
    """The column with a measure over a feature's window."""
    return f"{_entity(feature)}__{measure.name}__{_window_text(feature)}"


def distinct_column(feature: WindowAggregate) -> str:
    return f"{_entity(feature)}__distinct_{feature.column}__{feature.window}"


def first_seen_column(feature: FirstSeen) -> str:
    return f"{_entity(feature)}__new_{feature.other}__{feature.within}"


def _entity(feature: Feature) -> str:
    return getattr(feature, "key", "").removesuffix("_id")


def _window_text(feature: Feature) -> str:
    return getattr(feature, "within", None) or getattr(feature, "window", "")


@dataclass(frozen=True)
class _Figure:
    """A measure over a window; of the day windows `days` full days before today are by tiles."""

    column: str
    measure: Measure | LabelMeasure
    key: Key
    us: int
    days: int
    level: int


@dataclass
class Windows:
    """The windows of the features to compute; `ctes` ends with `seen`, a row for each event."""

    catalogue: Catalogue
    features: list[Feature]
    stored: tuple[str, ...]
    given: frozenset[str] = frozenset()
    """Steps that are tables of the lake already, by name."""
    _ctes: list[str] = field(default_factory=list)
    _joins: list[str] = field(default_factory=list)
    _columns: list[str] = field(default_factory=list)

    def ctes(self, per_event: PerEvent) -> list[str]:
        figures = list({f.column: f for f in self._figures()}.values())
        events = [f for f in figures if isinstance(f.measure, Measure)]
        self._ctes, self._joins, self._columns = [], [], []
        self._event_ctes(events, per_event)
        for key in KEYS:
            self._history(key, events)
            self._labels(key, [f for f in figures if isinstance(f.measure, LabelMeasure)])
        self._relations()
        columns = "".join(f",\n    {column}" for column in self._columns)
        joins = "".join(f"\n  {join}" for join in self._joins)
        self._ctes.append(
            f"seen AS (\n  SELECT event.*{columns}\n  FROM asked_event AS event{joins}\n)"
        )
        return self._ctes

    def _cte(self, name: str, columns: Sequence[str], source: str, group_by: str = "") -> None:
        if name in self.given:
            return
        group = f"\n  GROUP BY {group_by}" if group_by else ""
        cte = f"{name} AS (\n  SELECT " + ",\n    ".join(columns) + f"\n  {source}{group}\n)"
        if cte not in self._ctes:
            self._ctes.append(cte)

    def _join(self, name: str, *keys: str) -> None:
        on = " AND ".join(f"{name}.{key} = event.{key}" for key in keys)
        join = f"LEFT JOIN {name}\n    ON {on}"
        if join not in self._joins:
            self._joins.append(join)

    def _figures(self) -> Iterable[_Figure]:
        for feature in self.features:
            if isinstance(feature, LabelFeature):
                for measure in self.catalogue.label_measures_of(feature):
                    days = feature.days_of(feature.window)
                    yield _Figure(column_of(feature, measure), measure, feature.key, 0, days, 0)
                continue
            for measure in self.catalogue.measures_of(feature):
                window = feature.window_of(_window_text(feature))
                key: Key = getattr(feature, "key")  # noqa: B009 - only features over a key measure
                days = window.days if key == "merchant_id" else max(window.days - 1, 0)
                level = self.catalogue.measure_level(measure)
                yield _Figure(column_of(feature, measure), measure, key, window.us, days, level)

    def _event_ctes(self, figures: list[_Figure], per_event: PerEvent) -> None:
        """`event`: each with what slides; `asked_event`: with all of its windows.

        Only sliding windows need the day before, so it carries nothing else, and the rest is
        computed after it is dropped.
        """
        mine = [f for f in figures if f.key == "user_id"]
        given = {f.measure.name: f.measure for f in mine if isinstance(f.measure, Measure)}
        slides = {f.measure.name for f in mine if f.us}
        gives = {name: f"{per_event(measure)} AS e_{name}" for name, measure in given.items()}
        early = [sql for name, sql in gives.items() if name in slides]
        self._cte("event", ["*", *early], "FROM transactions")
        sliding = {f.column: _over(f, "user_id", f"{f.us} PRECEDING") for f in mine if f.us}
        source = "event"
        if sliding:
            source = "slid"
            self._cte(source, ["*", *_named(sliding)], "FROM event")
        late = [sql for name, sql in gives.items() if name not in slides]
        columns = [f"{source}.*", f"{DAY} AS day", f"{HOUR} AS hour_us", *late]
        self._cte("today", columns, f"FROM {source}, asked\n  WHERE {ASKED}")
        today = {
            _today(f): _over(f, "user_id, day", "UNBOUNDED PRECEDING") for f in mine if not f.us
        }
        self._cte("asked_event", ["today.*", *_named(today)], "FROM today")

    def _history(self, key: Key, figures: list[_Figure]) -> None:
        """Sums over the tiles of the full days before today, for each key and day asked about."""
        mine = [f for f in figures if f.key == key and not f.us]
        for level in (1, 2):
            of_level = [f for f in mine if f.level == level and f.days]
            tiles = self.catalogue.event_tiles(key, level)
            if tiles and (of_level or any(map(self._related_days, tiles.others))):
                self._tile_sums(tiles, of_level)
        for figure in mine:
            self._columns.append(f"{_merged(figure)} AS {figure.column}")

    def _tile_sums(self, tiles: Tiles, figures: list[_Figure]) -> None:
        """The tiles of the days before, merged by key and day."""
        key, name = tiles.key, f"{tiles.name}_before"
        passes = self._passes(tiles, figures)
        for one in passes:
            if one.name not in self.given:
                source = one.source(self._points(key))
                self._cte(one.name, [*one.keys, *one.figures], source, ", ".join(one.keys))
        if not figures:
            return
        if passes[0].name != name:
            again = [f"{f.measure.reduce.upper()}({_part(f)}) AS {_before(f)}" for f in figures]
            self._cte(name, [key, "day", *again], f"FROM {passes[0].name}", f"{key}, day")
        self._join(name, key, "day")

    def _passes(self, tiles: Tiles, figures: list[_Figure]) -> list[LookBack]:
        """How the tiles of the days before are merged; the first pass has the figures.

        Where a relation to another id is looked up too, they are merged by that id first: one
        pass over the tiles serves both.
        """
        others = [other for other in tiles.others if self._related_days(other)]
        alias = _part if others else _before
        merged = {alias(f): Merged(f.measure.reduce, f.measure.name, f.days) for f in figures}
        if not others:
            return [LookBack(f"{tiles.name}_before", tiles, None, merged)]
        return [
            LookBack(
                past_by(tiles.key, other),
                tiles,
                other,
                (merged if i == 0 else {})
                | {
                    "last_day": Merged("max", "day", self._related_days(other)),
                    "first_us": Merged("min", "first_us", None),
                },
            )
            for i, other in enumerate(others)
        ]

    def look_backs(self) -> list[LookBack]:
        """The passes over the users' tiles: of all that is made, most of the work."""
        tiles = self.catalogue.event_tiles("user_id", 1)
        figures = {f.column: f for f in self._figures() if isinstance(f.measure, Measure)}
        mine = [f for f in figures.values() if f.key == "user_id" and f.days and f.level == 1]
        if not tiles or not (mine or any(map(self._related_days, tiles.others))):
            return []
        return self._passes(tiles, mine)

    def _related_days(self, other: str) -> int:
        """How many full days before today a relation to another id is looked up."""
        merged = past_by("user_id", other) in self.given
        return max(
            (
                f.days_of(f.within) - 1
                for f in (self.catalogue.features if merged else self.features)
                if isinstance(f, FirstSeen) and f.other == other
            ),
            default=0,
        )

    def _points(self, key: Key) -> str:
        """The CTE with each key and day asked about."""
        name = f"{key.removesuffix('_id')}_days"
        self._cte(name, [f"DISTINCT {key}", "day"], "FROM asked_event")
        return name

    def _labels(self, key: Key, figures: list[_Figure]) -> None:
        """Labels known before the hour: those of the full days before today, and today's so far."""
        mine = [f for f in figures if f.key == key]
        tiles = self.catalogue.label_tiles(key)
        if not mine or not tiles:
            return
        plain = [f for f in mine if not _after(f)]
        begins = [
            _Figure(_begin(f), after, key, 0, f.days, 0) for f in mine if (after := _after(f))
        ]
        needed = list({f.column: f for f in (*plain, *begins)}.values())
        measures = list(dict.fromkeys(f.measure for f in needed))
        days, today = self.catalogue.label_days(tiles), f"{tiles.name}_today"
        hours = f"{key.removesuffix('_id')}_hours"
        daily = [f"{m.reduce.upper()}({m.name}) AS {m.name}" for m in measures]
        group = f"{key}, {DAY_OF_HOUR}"
        self._cte(days.name, [key, f"{DAY_OF_HOUR} AS day", *daily], f"FROM {tiles.name}", group)
        self._tile_sums(days, [_full_days(f) for f in needed])
        self._cte(hours, [f"DISTINCT {key}", "day", "hour_us"], "FROM asked_event")
        so_far = [f"{m.reduce.upper()}(tile.{m.name}) AS {today}__{m.name}" for m in measures]
        source = (
            f"FROM {hours} AS hours\n  JOIN {tiles.name} AS tile\n"
            f"    ON tile.{key} = hours.{key} AND tile.hour_us < hours.hour_us "
            f"AND tile.hour_us >= hours.day * {DAY_US}"
        )
        keys = [f"hours.{key}", "hours.hour_us"]
        self._cte(today, [*keys, *so_far], source, ", ".join(keys))
        self._join(today, key, "hour_us")
        known = {f.column: _both(f, _before(f), f"{today}__{f.measure.name}") for f in needed}
        self._columns += [f"{known[f.column]} AS {f.column}" for f in plain]
        if begins:
            self._runs(tiles, hours, [f for f in mine if _after(f)], known)

    def _runs(
        self, tiles: Tiles, hours: str, figures: list[_Figure], known: dict[str, str]
    ) -> None:
        """Frauds known after the last legitimate label: a second look at the tiles, from there."""
        key, name = tiles.key, f"{tiles.name}_runs"
        begins = {f"{known[_begin(f)]} AS {_begin(f)}" for f in figures}
        joins = "\n  ".join(
            f"LEFT JOIN {part}\n    ON {part}.{key} = hours.{key} AND {part}.{on} = hours.{on}"
            for part, on in (
                (f"{self.catalogue.label_days(tiles).name}_before", "day"),
                (f"{tiles.name}_today", "hour_us"),
            )
        )
        self._cte(
            f"{name}_begin", ["hours.*", *sorted(begins)], f"FROM {hours} AS hours\n  {joins}"
        )
        merged = []
        for f in figures:
            begin = f"hours.{_begin(f)}"
            inside = (
                f"tile.hour_us >= (hours.day - {f.days - 1}) * {DAY_US} AND "
                f"({begin} IS NULL OR tile.hour_us >= {begin} - {begin} % {HOUR_US})"
            )
            measure = f.measure
            merged.append(
                f"{measure.reduce.upper()}(CASE WHEN {inside} THEN tile.{measure.name} END) "
                f"AS {name}__{f.column}"
            )
        source = (
            f"FROM {name}_begin AS hours\n  JOIN {tiles.name} AS tile\n"
            f"    ON tile.{key} = hours.{key} AND tile.hour_us < hours.hour_us "
            f"AND tile.hour_us >= (hours.day - {max(f.days for f in figures) - 1}) * {DAY_US}"
        )
        some = " OR ".join(sorted({f"tile.{f.measure.name} > 0" for f in figures}))
        keys = [f"hours.{key}", "hours.hour_us"]
        self._cte(name, [*keys, *merged], f"{source}\n  WHERE {some}", ", ".join(keys))
        self._join(name, key, "hour_us")
        for f in figures:
            column = f"{name}__{f.column}"
            column = f"COALESCE({column}, 0)" if f.measure.reduce == "sum" else column
            self._columns.append(f"{column} AS {f.column}")

    def _relations(self) -> None:
        """Which ids a user was seen with: `FirstSeen` and distinct counts."""
        for feature in self.features:
            match feature:
                case FirstSeen():
                    self._first_seen(feature)
                case WindowAggregate(aggregate="distinct"):
                    self._distinct(feature)

    def _first_seen(self, feature: FirstSeen) -> None:
        """From the tiles alone, today's included: they say when an id was first seen that day."""
        other, opens = feature.other, feature.days_of(feature.within) - 1
        name = past_by("user_id", other)
        self._join(name, "user_id", other, "day")
        self._columns.append(
            f"CASE WHEN {name}.first_us < event.timestamp_us "
            f"OR {name}.last_day >= event.day - {opens} "
            f"THEN 0 ELSE 1 END AS {first_seen_column(feature)}"
        )

    def _distinct(self, feature: WindowAggregate) -> None:
        """A join of each event with those before it: windows have no distinct count."""
        window, column = feature.window_of(feature.window), feature.column
        name = distinct_column(feature)
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
        self._cte("moments", ["DISTINCT user_id", "timestamp_us", "day"], "FROM asked_event")
        counted = [*keys, "COUNT(DISTINCT id) AS ids"]
        self._cte(f"{name}_of", counted, f"FROM (\n    {rows}\n  ) AS seen_before", ", ".join(keys))
        self._join(f"{name}_of", *keys)
        self._columns.append(f"COALESCE({name}_of.ids, 0) AS {name}")


def _named(columns: Mapping[str, str]) -> list[str]:
    return [f"{sql} AS {name}" for name, sql in columns.items()]


def _over(figure: _Figure, keys: str, opens: str) -> str:
    aggregate = f"{figure.measure.reduce.upper()}(e_{figure.measure.name})"
    over = (
        f"{aggregate} OVER (PARTITION BY {keys} ORDER BY timestamp_us "
        f"RANGE BETWEEN {opens} AND 1 PRECEDING)"
    )
    return f"COALESCE({over}, 0)" if figure.us and figure.measure.reduce == "sum" else over


def _after(figure: _Figure) -> LabelMeasure | None:
    return figure.measure.after if isinstance(figure.measure, LabelMeasure) else None


def _begin(figure: _Figure) -> str:
    """The column that says where a run begins."""
    return f"begin__{figure.column}"


def _today(figure: _Figure) -> str:
    return f"today__{figure.measure.name}"


def _before(figure: _Figure) -> str:
    return f"before__{figure.column}"


def _part(figure: _Figure) -> str:
    return f"part__{figure.column}"


def _merged(figure: _Figure) -> str:
    """A day window: its full days before today, and for a user today so far."""
    before = _before(figure) if figure.days else None
    today = _today(figure) if figure.key == "user_id" else None
    if before and today:
        return _both(figure, before, today)
    alone = before or today
    return f"COALESCE({alone}, 0)" if figure.measure.reduce == "sum" else str(alone)


def _both(figure: _Figure, before: str, today: str) -> str:
    match figure.measure.reduce:
        case "sum":
            return f"COALESCE({before}, 0) + COALESCE({today}, 0)"
        case "max":
            return f"GREATEST({before}, {today})"
    return f"LEAST({before}, {today})"


def _full_days(figure: _Figure) -> _Figure:
    """Of a label window the full days before today; a window of a day has none."""
    return _Figure(figure.column, figure.measure, figure.key, 0, figure.days - 1, figure.level)
