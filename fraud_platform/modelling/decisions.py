"""What a threshold decides on scored rows, counted and in money."""

import msgspec
import numpy as np
import polars as pl

from fraud_platform.modelling.costs import Costs, cost_cents
from fraud_platform.modelling.scored import arrays


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of decisions on some rows, and the cents they save against calling nothing fraud.

    `caught` are the frauds among the `alerts`.
    """

    rows: int
    frauds: int
    alerts: int
    caught: int
    money_saved: int

    @property
    def precision(self) -> float:
        """Share of frauds among the alerts; 0 without an alert."""
        return self.caught / self.alerts if self.alerts else 0.0

    @property
    def recall(self) -> float:
        """Share of the frauds that were alerts; 0 without a fraud."""
        return self.caught / self.frauds if self.frauds else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where either is 0."""
        return 2 * self.caught / (self.alerts + self.frauds) if self.caught else 0.0

    @property
    def accuracy(self) -> float:
        """Share of right decisions; 0 without rows."""
        wrong = self.alerts + self.frauds - 2 * self.caught
        return (self.rows - wrong) / self.rows if self.rows else 0.0


def decide(rows: pl.DataFrame, threshold: float, costs: Costs) -> Decisions:
    """The decisions p > threshold on scored rows; one class will do."""
    score, is_fraud, amount_cents = arrays(rows)
    alert = score > threshold
    never = cost_cents(np.zeros(rows.height, dtype=bool), is_fraud, amount_cents, costs)
    return Decisions(
        rows=rows.height,
        frauds=int(is_fraud.sum()),
        alerts=int(alert.sum()),
        caught=int((alert & is_fraud).sum()),
        money_saved=never - cost_cents(alert, is_fraud, amount_cents, costs),
    )
