"""A history taken through the online path, with the state that a store would hold at each time."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.features.online import Event, compile_online
from fraud_platform.features.plan import Catalogue
from fraud_platform.features.recent import with_events
from fraud_platform.features.snapshot import FrameStates, daily_rows, label_rows
from fraud_platform.features.state import State, views
from fraud_platform.monitoring.parity import moment_of
from fraud_platform_tests.features.lake_of import Frames
from fraud_platform_tests.features.oracle import Payment

Context = dict[str, State]


class Online:
    """The online state over the tables of some histories, as of any moment.

    `behind` is by how many days the users' daily view lags, which must change nothing.
    """

    def __init__(self, catalogue: Catalogue, made: Frames, behind: int = 0) -> None:
        self.catalogue, self.behind = catalogue, behind
        self._made = made
        self._views = {view.name: view for view in views(catalogue)}
        self._kept: dict[tuple[str, int], dict[str, State]] = {}
        self._recent: dict[str, State] = {}

    def vectors(self, payments: Sequence[Payment]) -> dict[str, list[float]]:
        """Each payment's vector when it comes in, by transaction; payments are by time."""
        compute = compile_online(self.catalogue)
        habits = compile_online(self.catalogue, self.catalogue.looked_back)
        recent, found = self._views["user_recent"], {}
        for payment in payments:
            event = event_of(payment)
            context = self.context(payment)
            found[payment.transaction_id] = compute(event, context)
            moment = moment_of(self.catalogue, payment.transaction_id, event)
            moment |= dict(zip(self.catalogue.looked_back, habits(event, context), strict=True))
            changed = with_events(recent, context["user_recent"], [moment])
            assert changed is not None
            self._recent[payment.user_id] = changed
        return found

    def context(self, payment: Payment) -> Context:
        """What the store holds for a payment's user and merchant."""
        today = payment.timestamp_us // DAY_US * DAY_US
        hour = payment.timestamp_us // HOUR_US * HOUR_US
        context: Context = {}
        for name, view in self._views.items():
            entity = payment.user_id if view.entity == "user" else payment.merchant_id
            if name == "user_recent":
                context[name] = self._recent.get(entity, view.empty)
                continue
            lag = self.behind * DAY_US if name == "user_daily" else 0
            as_of = hour if name.endswith("_labels") else today - lag
            context[name] = self._states(name, as_of).get(entity, view.empty)
        return context

    def _states(self, name: str, as_of_us: int) -> dict[str, State]:
        if (name, as_of_us) not in self._kept:
            view = self._views[name]
            rows = self._rows(name, view.join_key, as_of_us)
            self._kept[name, as_of_us] = dict(FrameStates(view, rows).items())
        return self._kept[name, as_of_us]

    def _rows(self, name: str, key: Any, as_of_us: int) -> pl.DataFrame:
        if name.endswith("_labels"):
            tiles = self.catalogue.label_tiles(key)
            assert tiles is not None
            return label_rows(self.catalogue, key, self._made[tiles.name], as_of_us)
        return daily_rows(self.catalogue, key, self._made, as_of_us)


def event_of(payment: Payment) -> Event:
    return Event(
        timestamp_us=payment.timestamp_us,
        amount_cents=payment.amount_cents,
        merchant_id=payment.merchant_id,
        device_id=payment.device_id,
    )
