"""A simulated world, day by day, as tables."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from fraud_platform.clock import DAY_US, day_start_us
from fraud_platform.simulator.compromises import compromised_payments
from fraud_platform.simulator.config import SimulatorConfig
from fraud_platform.simulator.frauds import large_amounts, small_bursts, stolen_cards
from fraud_platform.simulator.legitimate import legitimate_payments
from fraud_platform.simulator.payments import Kind, Payments, joined
from fraud_platform.simulator.population import Population, draw_population
from fraud_platform.simulator.shifts import night_takeovers, shifted

_KINDS = pl.Series(
    [None if kind == Kind.LEGITIMATE else kind.name.lower() for kind in Kind], dtype=pl.String
)


def simulate(config: SimulatorConfig) -> Iterator[pl.DataFrame]:
    """One table for each UTC day of the config, sorted by timestamp.

    Columns: `transaction_id`, `timestamp` (microseconds UTC), `user_id`, `merchant_id`,
    `device_id`, `amount` (currency units, whole cents), `is_fraud`, and `fraud_kind` (null for a
    legitimate payment; for inspection only).

    The same config gives the same tables. A day's table follows from the date and the config
    without `start` and `days`: a longer simulation, or one that starts earlier, repeats it.

    >>> config = SimulatorConfig(days=2, users=50, merchants=10, transactions_per_day=100)
    >>> [frame.width for frame in simulate(config)]
    [8, 8]
    """
    population = draw_population(config)
    for index in range(config.days):
        day = config.day(index)
        yield _frame(_day_payments(config, population, day), population, day)


def _day_payments(config: SimulatorConfig, population: Population, day: date) -> Payments:
    """A day's payments by time; ties stay in the order in which they were drawn."""
    parts = [
        shifted(config, legitimate_payments(config, population, day), day),
        large_amounts(config, population, day),
        compromised_payments(config, population, day),
        night_takeovers(config, population, day),
    ]
    for spells in (stolen_cards, small_bursts):
        before = spells(config, population, day - timedelta(days=1))
        begun = spells(config, population, day)
        parts += [_from_midnight(before), begun.rows(begun.time < DAY_US)]
    payments = joined(parts)
    return payments.rows(np.argsort(payments.time, kind="stable"))


def _from_midnight(payments: Payments) -> Payments:
    """The payments of the day before that fall after its end, their times as this day's."""
    late = payments.rows(payments.time >= DAY_US)
    return replace(late, time=late.time - DAY_US)


def _frame(payments: Payments, population: Population, day: date) -> pl.DataFrame:
    number = pl.int_range(1, len(payments) + 1, eager=True).cast(pl.String).str.zfill(7)
    return pl.DataFrame(
        {
            "transaction_id": pl.select(pl.lit(f"t{day:%Y%m%d}-") + number).to_series(),
            "timestamp": pl.Series(payments.time + day_start_us(day)).cast(
                pl.Datetime("us", "UTC")
            ),
            "user_id": population.users.ids.gather(payments.user),
            "merchant_id": population.merchants.ids.gather(payments.merchant),
            "device_id": pl.select("d" + pl.Series(payments.device).cast(pl.String)).to_series(),
            "amount": payments.cents / 100,
            "is_fraud": payments.kind != Kind.LEGITIMATE,
            "fraud_kind": _KINDS.gather(payments.kind),
        }
    )
