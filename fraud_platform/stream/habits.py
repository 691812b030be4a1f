"""The features of an event that others look back on, computed as it joins a user's recent ones."""

from collections.abc import Callable, Mapping, Set

from fraud_platform.clock import DAY_US
from fraud_platform.features.declarations import CatalogueError, Feature, FirstSeen, WindowAggregate
from fraud_platform.features.online import compile_online
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import Fill, Lists
from fraud_platform.features.state import RECENT_US, Kind, State, View, related_fields, views

_TILES = ("as_of_us", "days")


class Habits:
    """Computes them for events as they are put in their places.

    Raises CatalogueError for a catalogue that looks back on a figure of the merchant: a user's
    recent events don't say what their merchants were like then.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._names = catalogue.looked_back
        self._compute = compile_online(catalogue, self._names)
        needed = [catalogue[name] for name in catalogue.in_order(self._names)]
        for feature in needed:
            if getattr(feature, "key", "user_id") != "user_id":
                raise CatalogueError(
                    f"feature {feature.name} is looked back on, or a part of what is, and is the "
                    "merchant's; the stream keeps users' figures only, so look back on another"
                )
        # Of an event that is in the store already only hashes of its ids are left.
        self._by_ids = any(isinstance(feature, FirstSeen) for feature in needed)
        self._slides = any(
            isinstance(f, WindowAggregate) and f.window_of(f.window).us for f in needed
        )
        (daily,) = (view for view in views(catalogue) if view.name == "user_daily")
        measures = {m.name for f in needed for m in catalogue.measures_of(f)}
        related = {name for o in catalogue.others("user_id") for name in related_fields(o)}
        kept = {*_TILES, *measures, *(related if self._relates(needed) else ())}
        fields: dict[str, Kind] = {n: kind for n, kind in daily.fields.items() if n in kept}
        self.daily = View(daily.name, daily.entity, fields)
        """What of `user_daily` they are computed from."""

    def filling(self, daily: State, events: Mapping[int, Event]) -> Fill:
        """Fills in the new events' features and, where all of it is still there, the later ones'.

        `daily` is the user's row of `self.daily`; `events` are the new ones by transaction hash, as
        far as more is known of them than their places say. A late event changes what the ones after
        it look back on. Theirs are computed again where daily tiles and kept events reach as far
        back as they did, else they stay as they were.
        """

        def fill(lists: Lists, first: int, added: Set[int]) -> None:
            context = {"user_recent": lists, "user_daily": daily}
            columns = [lists[name] for name in self._names]
            times, cents = lists["timestamps_us"], lists["amounts_cents"]
            hashes, whole = lists["transaction_hashes"], self._whole(daily, times[-1])
            for i in range(first, len(times)):
                if hashes[i] in added and hashes[i] in events:
                    event = events[hashes[i]]
                elif whole(times[i]):
                    event = Event(timestamp_us=times[i], amount_cents=cents[i])
                else:
                    continue
                for column, value in zip(columns, self._compute(event, context), strict=True):
                    column[i] = value

        return fill

    def _whole(self, daily: State, newest_us: int) -> Callable[[int], bool]:
        """Whether all that an event of this time looks back on is there."""
        as_of = daily["as_of_us"]
        assert isinstance(as_of, int)
        kept_from = newest_us - RECENT_US

        def whole(time_us: int) -> bool:
            # Tiles reach back as far as needed from their own day on.
            if self._by_ids or time_us < as_of:
                return False
            slid = time_us - DAY_US if self._slides else time_us
            return min(as_of, slid) >= kept_from or not as_of

        return whole

    @staticmethod
    def _relates(needed: list[Feature]) -> bool:
        return any(
            isinstance(f, FirstSeen) or getattr(f, "aggregate", "") == "distinct" for f in needed
        )
