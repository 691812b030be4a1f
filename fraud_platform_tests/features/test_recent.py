"""A user's recent events are the same in whatever order, and however often, they come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.clock import HOUR_US
from fraud_platform.features.recent import Moment, with_events
from fraud_platform.features.state import RECENT_US, VIEWS, State, View

RECENT = VIEWS[0]
# Few times, so that some are equal, over more than is kept.
times = st.one_of(st.integers(0, 8).map(lambda n: n * 12 * HOUR_US), st.integers(0, 96 * HOUR_US))


def moment(number: int, time_us: int, view: View = RECENT) -> Moment:
    """One event; the number is its transaction's hash, and the rest follows from it."""
    row = {name: number * 10 + i for i, name in enumerate(view.fields)}
    return row | {"timestamps_us": time_us, "transaction_hashes": (-1) ** number * number}


histories = st.lists(times, min_size=1, max_size=20).map(
    lambda found: [moment(i + 1, time) for i, time in enumerate(found)]
)


def taken_in(batches: list[list[Moment]], state: State = RECENT.empty) -> State:
    for batch in batches:
        state = with_events(RECENT, state, batch) or state
    return state


def sorted_and_cut(events: list[Moment]) -> State:
    """What is to come out, written the obvious way."""
    newest = max(event["timestamps_us"] for event in events)
    kept = [event for event in events if event["timestamps_us"] >= newest - RECENT_US]
    kept.sort(key=lambda event: (event["timestamps_us"], event["transaction_hashes"]))
    return {name: [event[name] for event in kept] for name in RECENT.fields}


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Moment], list[list[Moment]]]:
    """A history, and batches that bring each of its events once or more, in any order."""
    history = draw(histories)
    again = draw(st.lists(st.sampled_from(history), max_size=10))
    order = draw(st.permutations([*history, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return history, [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@given(deliveries())
def test_any_order_any_batches_and_redelivery_give_the_same_state(
    delivered: tuple[list[Moment], list[list[Moment]]],
) -> None:
    history, batches = delivered
    assert taken_in(batches) == sorted_and_cut(history)


@given(histories)
def test_what_is_there_already_changes_nothing(history: list[Moment]) -> None:
    state = taken_in([history])
    assert with_events(RECENT, state, history) is None
    assert with_events(RECENT, state, []) is None


def test_what_is_exactly_72_h_older_than_the_newest_is_kept() -> None:
    first, second = moment(1, 0), moment(2, 1)
    state = taken_in([[first, second], [moment(3, RECENT_US + 1)]])
    assert state["timestamps_us"] == [1, RECENT_US + 1]
    assert with_events(RECENT, state, [first]) is None


def test_the_state_given_is_left_as_it_is() -> None:
    state = taken_in([[moment(1, 5)]])
    before = {name: list(values) for name, values in state.items()}  # type: ignore[arg-type]
    with_events(RECENT, state, [moment(2, 3)])
    assert state == before


@pytest.mark.parametrize(("late", "place"), [(4, 0), (5, 1), (9, 2)])
def test_the_features_are_filled_in_from_the_first_new_place_on(late: int, place: int) -> None:
    state = taken_in([[moment(1, 5), moment(3, 7)]])
    told: list[Any] = []
    with_events(
        RECENT, state, [moment(4, late)], lambda _, first, added: told.extend([first, added])
    )
    assert told == [place, {4}]
