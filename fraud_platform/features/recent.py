"""Keeping a user's recent events: one more, each once, by time, none older than needed."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.state import RECENT_US, State, View, hash_field, identifier_hash

Moment = Mapping[str, int | float]
"""One event's place in each list of `user_recent`."""

Lists = dict[str, list[Any]]
"""The lists of `user_recent` by field, each with one place for an event."""

Fill = Callable[[Lists, int, Set[int]], None]
"""Writes the events' features into lists: from this place on, of these new transactions' hashes."""


def with_events(
    view: View, state: State, events: Sequence[Moment], fill: Fill | None = None
) -> State | None:
    """The state with these events; None where it has them all already.

    Events come in any order and may come again (they are known by their transaction's hash): the
    state is the same. It is sorted by time and, where times are equal, by hash. What lies more
    than 72 h before the newest is left out, so the state is bounded by a user's pace. `fill` sees
    the lists before that.
    """
    lists: Lists = {name: list(state[name]) for name in view.fields}  # type: ignore[arg-type]
    times, hashes = lists["timestamps_us"], lists["transaction_hashes"]
    known, added, first = set(hashes), set[int](), len(times)
    for event in events:
        time, transaction = event["timestamps_us"], event["transaction_hashes"]
        if transaction in known or (times and time < times[-1] - RECENT_US):
            continue
        known.add(transaction)
        added.add(int(transaction))
        place = bisect_right(times, time)
        if place and times[place - 1] == time:
            place = bisect_left(hashes, transaction, bisect_left(times, time), place)
        for name, values in lists.items():
            values.insert(place, event[name])
        first = min(first, place)
    if not added:
        return None
    if fill is not None:
        fill(lists, first, added)
    begin = bisect_left(times, times[-1] - RECENT_US)
    return {name: values[begin:] for name, values in lists.items()} if begin else lists


def moment_of(catalogue: Catalogue, transaction_id: str, event: Event) -> dict[str, int | float]:
    """An event's place in `user_recent`, but for the features that others look back on."""
    return {
        "timestamps_us": event.timestamp_us,
        "amounts_cents": event.amount_cents,
        "transaction_hashes": identifier_hash(transaction_id),
        **{hash_field(o): identifier_hash(getattr(event, o)) for o in catalogue.hashed},
    }
