"""Frauds around one card: stolen cards, bursts of small charges, single large amounts.

What someone does with a card is drawn whole from the day on which it begins. The payments that fall
after midnight are the next day's, which draws the same again: no state is carried between days.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from fraud_platform.simulator.arrays import Floats, Ints, Keys
from fraud_platform.simulator.config import SimulatorConfig
from fraud_platform.simulator.devices import new_devices
from fraud_platform.simulator.draws import pick
from fraud_platform.simulator.payments import Kind, Payments, all_of, cents_of
from fraud_platform.simulator.population import Population
from fraud_platform.simulator.rhythm import DAY_SECONDS, everyones_seconds, to_microseconds
from fraud_platform.simulator.streams import Stream, day_generator

# How the fraudulent payments divide, on average.
FRAUD_MIX = {
    Kind.STOLEN_CARD: 0.4,
    Kind.SMALL_BURST: 0.2,
    Kind.COMPROMISED_MERCHANT: 0.2,
    Kind.LARGE_AMOUNT: 0.2,
}

ANY_HOUR_SHARE = 0.6  # of frauds; the night is when their victims sleep

STOLEN_PAYMENTS = (3, 9)
STOLEN_SECONDS = (1_800.0, 8 * 3_600.0)
STOLEN_FACTOR = (1.5, 6.0)
STOLEN_OTHER_DEVICE = 0.5  # of payments made from yet another device

BURST_PAYMENTS = (6, 16)
BURST_SECONDS = (90.0, 600.0)
BURST_AMOUNT = (0.5, 6.0)

LARGE_FACTOR = (6.0, 24.0)
LARGE_NEW_DEVICE = 0.65  # of payments; the rest is made with the victim's own device


@dataclass(frozen=True)
class _Spells:
    """Some time with another's card: `count` spells, of which each row is one payment.

    `spell` numbers the spell of a payment, `device` is one new device a spell, and `second` counts
    from the start of the day on which the spell begins.
    """

    count: int
    spell: Ints
    user: Ints
    device: Keys
    second: Floats


def expected_frauds(config: SimulatorConfig, kind: Kind) -> float:
    """Mean number of a day's payments of a kind of fraud."""
    return config.transactions_per_day * config.fraud_share * FRAUD_MIX[kind]


def stolen_cards(config: SimulatorConfig, population: Population, start: date) -> Payments:
    """Cards stolen on a day: shopping over hours at shops whose goods sell on, with new devices.

    Times run on into the next day. A card is used three to nine times, above its owner's habit.
    """
    rng = day_generator(config.seed, Stream.STOLEN_CARD, start)
    expected = expected_frauds(config, Kind.STOLEN_CARD)
    spells = _draw_spells(rng, population, expected, STOLEN_PAYMENTS, STOLEN_SECONDS)
    size = len(spells.user)
    merchant = pick(rng, population.merchants.resale, size)
    other = rng.random(size) < STOLEN_OTHER_DEVICE
    factor = rng.uniform(*STOLEN_FACTOR, size=spells.count)[spells.spell]
    return Payments(
        time=to_microseconds(rng, spells.second),
        user=spells.user,
        merchant=merchant,
        device=np.where(other, new_devices(rng, size), spells.device),
        cents=cents_of(factor * population.ordinary_amounts(rng, spells.user, merchant)),
        kind=all_of(Kind.STOLEN_CARD, size),
    )


def small_bursts(config: SimulatorConfig, population: Population, start: date) -> Payments:
    """Cards tested on a day: six to sixteen small charges at one merchant within ten minutes.

    Times run on into the next day.
    """
    rng = day_generator(config.seed, Stream.SMALL_BURST, start)
    expected = expected_frauds(config, Kind.SMALL_BURST)
    spells = _draw_spells(rng, population, expected, BURST_PAYMENTS, BURST_SECONDS)
    size = len(spells.user)
    return Payments(
        time=to_microseconds(rng, spells.second),
        user=spells.user,
        merchant=pick(rng, population.merchants.testing, spells.count)[spells.spell],
        device=spells.device,
        cents=cents_of(rng.uniform(*BURST_AMOUNT, size=size)),
        kind=all_of(Kind.SMALL_BURST, size),
    )


def large_amounts(config: SimulatorConfig, population: Population, day: date) -> Payments:
    """Single payments of a day, at six to twenty-four times what the user spends there."""
    rng = day_generator(config.seed, Stream.LARGE_AMOUNT, day)
    size = int(rng.poisson(expected_frauds(config, Kind.LARGE_AMOUNT)))
    user = population.pick_users(rng, size)
    merchant = pick(rng, population.merchants.resale, size)
    own = population.users.devices.of(rng, user, day)
    factor = rng.uniform(*LARGE_FACTOR, size=size)
    return Payments(
        time=to_microseconds(rng, fraud_seconds(rng, size)),
        user=user,
        merchant=merchant,
        device=np.where(rng.random(size) < LARGE_NEW_DEVICE, new_devices(rng, size), own),
        cents=cents_of(factor * population.habit(user, merchant)),
        kind=all_of(Kind.LARGE_AMOUNT, size),
    )


def fraud_seconds(rng: np.random.Generator, size: int) -> Floats:
    """Seconds of the day at which frauds happen: some by day like everyone, most at any hour."""
    any_hour = rng.uniform(0, DAY_SECONDS, size=size)
    by_day = everyones_seconds(rng, size)
    return np.where(rng.random(size) < ANY_HOUR_SHARE, any_hour, by_day)


def _draw_spells(
    rng: np.random.Generator,
    population: Population,
    expected: float,
    payments: tuple[int, int],
    seconds: tuple[float, float],
) -> _Spells:
    """The spells that begin on a day, with `expected` payments in all on average."""
    low, high = payments
    count = int(rng.poisson(expected / ((low + high) / 2)))
    spell = np.repeat(np.arange(count), rng.integers(low, high + 1, size=count))
    length = rng.uniform(*seconds, size=count)
    return _Spells(
        count=count,
        spell=spell,
        user=population.pick_users(rng, count)[spell],
        device=new_devices(rng, count)[spell],
        second=fraud_seconds(rng, count)[spell] + length[spell] * rng.random(len(spell)),
    )
