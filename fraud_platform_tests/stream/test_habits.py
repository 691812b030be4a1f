"""What is kept beside an event is what the lake computes for it, bit for bit, late or not."""

import random
import struct
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import CatalogueError, Where, WindowAggregate
from fraud_platform.features.past import Event
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import moment_of, with_events
from fraud_platform.features.snapshot import FrameStates, daily_rows, recent_rows
from fraud_platform.features.state import State, views
from fraud_platform.stream.habits import Habits
from fraud_platform_tests.features.every_kind import EVERY_KIND, USER
from fraud_platform_tests.features.histories import DAYS, START, History, histories
from fraud_platform_tests.features.lake_of import tables
from fraud_platform_tests.features.oracle import Payment

AS_OF = day_start_us(START + timedelta(days=35))
STREAM_US = 47 * HOUR_US


def bits(state: State) -> dict[str, list[object]]:
    """A state to compare, NaN by its bits; events of one time in the order of their hashes."""
    columns = {name: list(values) for name, values in state.items()}  # type: ignore[arg-type]
    order = sorted(
        range(len(columns["timestamps_us"])),
        key=lambda i: (columns["timestamps_us"][i], columns["transaction_hashes"][i]),
    )
    return {
        name: [
            struct.pack("<d", value) if isinstance(value, float) else value
            for value in (values[i] for i in order)
        ]
        for name, values in columns.items()
    }


def streamed(
    catalogue: Catalogue, begin: dict[str, State], daily: dict[str, State], came: list[Payment]
) -> dict[str, State]:
    """The states after payments that came one after the other."""
    view, habits = views(catalogue)[0], Habits(catalogue)
    states = dict(begin)
    for one in came:
        event = Event(
            timestamp_us=one.timestamp_us,
            amount_cents=one.amount_cents,
            merchant_id=one.merchant_id,
            device_id=one.device_id,
        )
        moment = moment_of(catalogue, one.transaction_id, event)
        moment |= dict.fromkeys(catalogue.looked_back, float("nan"))
        fill = habits.filling(
            daily.get(one.user_id, habits.daily.empty), {int(moment["transaction_hashes"]): event}
        )
        state = states.get(one.user_id, view.empty)
        states[one.user_id] = with_events(view, state, [moment], fill) or state
    return states


@pytest.mark.parametrize("catalogue", [EVERY_KIND, CATALOGUE], ids=["every kind", "ours"])
@settings(max_examples=25, deadline=None)
@given(histories(most=40), st.randoms(use_true_random=False))
def test_events_in_any_order_have_the_lakes_features_once_all_are_there(
    catalogue: Catalogue, history: History, chance: random.Random
) -> None:
    payments = [p for p in history[0] if p.timestamp_us < AS_OF + STREAM_US]
    if not payments:
        return
    made = tables(catalogue, payments, [], START, DAYS)
    view, habits = views(catalogue)[0], made["transactions"]
    frame = recent_rows(catalogue, habits, AS_OF)
    begin = dict(FrameStates(view, frame).items())
    tiles = daily_rows(catalogue, "user_id", made, AS_OF)
    daily = dict(FrameStates(Habits(catalogue).daily, tiles).items())
    came = [p for p in payments if p.timestamp_us >= AS_OF]
    chance.shuffle(came)
    found = streamed(catalogue, begin, daily, came)
    for user in {p.user_id for p in came}:
        newest = max(p.timestamp_us for p in came if p.user_id == user)
        expected = FrameStates(view, recent_rows(catalogue, habits, newest + 1))[user]
        # The lake's frame leaves out what is exactly 72 h old to the microsecond.
        count = len(bits(expected)["timestamps_us"])
        assert {n: v[-count:] for n, v in bits(found[user]).items()} == bits(expected)


def test_a_late_event_changes_those_after_it_and_no_other() -> None:
    noon = AS_OF + DAY_US // 2
    first, late, last = (
        Payment(
            transaction_id=f"t{minutes}",
            timestamp_us=noon + minutes * 60_000_000,
            user_id="u",
            merchant_id="m",
            amount_cents=cents,
        )
        for minutes, cents in ((0, 1000), (1, 3000), (2, 4000))
    )
    name = "amount_to_user_mean_30d"
    before = streamed(CATALOGUE, {}, {}, [first, last])["u"][name]
    after = streamed(CATALOGUE, {}, {}, [first, last, late])["u"][name]
    assert isinstance(before, list)
    assert before[1:] == [4.0]
    assert isinstance(after, list)
    assert after[1:] == [3.0, 2.0]


def test_where_what_it_looked_back_on_is_gone_an_events_features_stay_as_they_were() -> None:
    """The day's tile is made, and the day's events are not all kept any more."""
    yesterday = AS_OF - DAY_US + 13 * HOUR_US
    habits, view = Habits(CATALOGUE), views(CATALOGUE)[0]
    stored = {name: [yesterday] if name == "timestamps_us" else [7] for name in view.fields} | {
        "amount_to_user_mean_30d": [123.0]
    }
    daily = {**habits.daily.empty, "as_of_us": AS_OF}
    late = Payment(
        transaction_id="late",
        timestamp_us=yesterday - HOUR_US,
        user_id="u",
        merchant_id="m",
        amount_cents=100,
    )
    state = streamed(CATALOGUE, {"u": stored}, {"u": daily}, [late])["u"]
    assert state["timestamps_us"] == [yesterday - HOUR_US, yesterday]
    found = state["amount_to_user_mean_30d"]
    assert isinstance(found, list)
    assert found[1] == 123.0


def test_a_catalogue_that_looks_back_on_a_figure_of_the_merchant_is_refused() -> None:
    merchants = WindowAggregate(
        name="merchant_count", key="merchant_id", aggregate="count", window="7d",
        unit="transactions", meaning="Its transactions.",
    )  # fmt: skip
    busy = Where("merchant_count", ">", 10.0)
    mine = WindowAggregate(name="busy_7d", aggregate="count", window="7d", where=busy, **USER)
    with pytest.raises(CatalogueError, match="feature merchant_count is looked back on"):
        Habits(Catalogue(merchants, mine))
