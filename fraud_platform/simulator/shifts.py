"""A world that changes its ways: dearer and later honest payments, and a new kind of fraud."""

from dataclasses import replace
from datetime import date

import numpy as np

from fraud_platform.clock import DAY_US, HOUR_US
from fraud_platform.contracts.events import MAX_AMOUNT
from fraud_platform.simulator.config import Shift, SimulatorConfig
from fraud_platform.simulator.draws import pick
from fraud_platform.simulator.payments import Kind, Payments, all_of, cents_of
from fraud_platform.simulator.population import Population
from fraud_platform.simulator.rhythm import HOUR_SECONDS, to_microseconds
from fraud_platform.simulator.streams import Stream, day_generator

NIGHT = (2 * HOUR_SECONDS, 5 * HOUR_SECONDS)
"""When the victims sleep, in seconds of the day."""
TAKEOVER_FACTOR = (2.0, 4.0)
"""Of what the victim would spend there: less than the single large amounts that are known."""


def shifted(config: SimulatorConfig, honest: Payments, day: date) -> Payments:
    """A day's honest payments in the ways of the day: who pays where doesn't change.

    Payments that the later hours would take past midnight fall in the first hours of the same day.
    """
    shift = _shift_of(config, day)
    if shift is None:
        return honest
    later = round(shift.hours_later * HOUR_US)
    cents = np.rint(honest.cents * shift.amounts).astype(np.int64)
    return replace(
        honest,
        time=(honest.time + later) % DAY_US,
        cents=np.clip(cents, 1, MAX_AMOUNT * 100),
    )


def night_takeovers(config: SimulatorConfig, population: Population, day: date) -> Payments:
    """A day's frauds of the new kind: someone in the victim's own device pays while they sleep.

    One payment a card, of two to four times what its owner spends there, anywhere that people shop:
    no new device, no burst, no compromised merchant. None before the shift.
    """
    shift = _shift_of(config, day)
    rng = day_generator(config.seed, Stream.NIGHT_TAKEOVER, day)
    expected = config.transactions_per_day * shift.new_fraud_share if shift else 0.0
    size = int(rng.poisson(expected))
    user = population.pick_users(rng, size)
    merchant = pick(rng, population.merchants.popular, size)
    factor = rng.uniform(*TAKEOVER_FACTOR, size=size)
    return Payments(
        time=to_microseconds(rng, rng.uniform(*NIGHT, size=size)),
        user=user,
        merchant=merchant,
        device=population.users.devices.of(rng, user, day),
        cents=cents_of(factor * population.habit(user, merchant)),
        kind=all_of(Kind.NIGHT_TAKEOVER, size),
    )


def _shift_of(config: SimulatorConfig, day: date) -> Shift | None:
    """The shift, from its day on."""
    return config.shift if config.shift and day >= config.shift.on else None
