"""Keeping a user's recent events: one more, each once, by time, none older than needed."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from fraud_platform.features.state import RECENT_US, State, View

Moment = Mapping[str, int | float]
"""One event's place in each list of `user_recent`."""


def with_events(view: View, state: State, events: list[Moment]) -> State | None:
    """The state with these events; None where it has them all already.

    Events come in any order and may come again (they are known by their transaction's hash). What
    lies more than 72 h before the newest is left out, so the state is bounded by a user's pace.
    """
    lists: dict[str, list[Any]] = {name: list(state[name]) for name in view.fields}  # type: ignore[arg-type]
    times, hashes = lists["timestamps_us"], lists["transaction_hashes"]
    known = set(hashes)
    added = False
    for event in events:
        if event["transaction_hashes"] in known or (
            times and event["timestamps_us"] < times[-1] - RECENT_US
        ):
            continue
        known.add(event["transaction_hashes"])
        place = bisect_right(times, event["timestamps_us"])
        for name, values in lists.items():
            values.insert(place, event[name])
        added = True
    if not added:
        return None
    first = bisect_right(times, times[-1] - RECENT_US - 1)
    return {name: values[first:] for name, values in lists.items()} if first else lists
