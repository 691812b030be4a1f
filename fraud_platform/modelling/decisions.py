"""What a threshold decides on scored rows, counted and in money."""

import msgspec
import numpy as np
import polars as pl

from fraud_platform.modelling.costs import Costs, cost_cents
from fraud_platform.modelling.scored import arrays, weight_of


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of decisions on some rows, and the cents they save against calling nothing fraud.

    `caught` are the frauds among the `alerts`. `weighed` are these four as the rows count by their
    weight; shares and money are of those.
    """

    rows: int
    frauds: int
    alerts: int
    caught: int
    money_saved: int
    weighed: tuple[float, float, float, float]

    @property
    def precision(self) -> float:
        """Share of frauds among the alerts; 0 without an alert."""
        _, _, alerts, caught = self.weighed
        return caught / alerts if alerts else 0.0

    @property
    def recall(self) -> float:
        """Share of the frauds that were alerts; 0 without a fraud."""
        _, frauds, _, caught = self.weighed
        return caught / frauds if frauds else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where either is 0."""
        _, frauds, alerts, caught = self.weighed
        return 2 * caught / (alerts + frauds) if caught else 0.0

    @property
    def accuracy(self) -> float:
        """Share of right decisions; 0 without rows."""
        rows, frauds, alerts, caught = self.weighed
        wrong = alerts + frauds - 2 * caught
        return (rows - wrong) / rows if rows else 0.0

    @property
    def accuracy_never_fraud(self) -> float:
        """The same for calling nothing fraud."""
        rows, frauds, *_ = self.weighed
        return (rows - frauds) / rows if rows else 0.0

    @property
    def prevalence(self) -> float:
        """Share of frauds; 0 without rows."""
        rows, frauds, *_ = self.weighed
        return frauds / rows if rows else 0.0

    @property
    def stopped(self) -> float:
        """Share of the legitimate ones that were alerts; 0 without any."""
        rows, frauds, alerts, caught = self.weighed
        return (alerts - caught) / (rows - frauds) if rows > frauds else 0.0


def decide(rows: pl.DataFrame, threshold: float, costs: Costs) -> Decisions:
    """The decisions p > threshold on scored rows; one class will do."""
    score, is_fraud, amount_cents = arrays(rows)
    alert, weight = score > threshold, weight_of(rows)
    never = cost_cents(np.zeros(rows.height, dtype=bool), is_fraud, amount_cents, costs, weight)
    caught = alert & is_fraud

    def count(of: np.ndarray) -> float:
        return int(of.sum()) if weight is None else float(weight[of].sum())

    return Decisions(
        rows=rows.height,
        frauds=int(is_fraud.sum()),
        alerts=int(alert.sum()),
        caught=int(caught.sum()),
        money_saved=never - cost_cents(alert, is_fraud, amount_cents, costs, weight),
        weighed=(
            rows.height if weight is None else float(weight.sum()),
            count(is_fraud),
            count(alert),
            count(caught),
        ),
    )
