"""Merchants whose card data leaks: for some weeks a share of their payments is fraud."""

import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from fraud_platform.simulator.arrays import Floats, Ints
from fraud_platform.simulator.config import SimulatorConfig
from fraud_platform.simulator.devices import new_devices
from fraud_platform.simulator.frauds import expected_frauds, fraud_seconds
from fraud_platform.simulator.payments import Kind, Payments, all_of, cents_of
from fraud_platform.simulator.population import Population
from fraud_platform.simulator.rhythm import to_microseconds
from fraud_platform.simulator.streams import Stream, day_generator

# Longer than the seven days after which a label counts as final, so that the labels of the first
# days can still warn of the last ones.
COMPROMISE_DAYS = (14, 25)
FRAUD_SHARE = (0.4, 0.65)  # of a compromised merchant's payments
NEW_DEVICE = 0.75  # of payments; the rest comes from malware on the victim's own device
AT_ONCE = 2.0  # at least so many merchants are compromised on a mean day
SMALLER = 0.6  # share of the merchants, by traffic: the larger ones guard themselves better


@dataclass(frozen=True)
class Compromises:
    """Compromised merchants, one row each: merchant row, and fraudulent payments a day."""

    merchant: Ints
    frauds_per_day: Floats


@dataclass(frozen=True)
class _Plan:
    """What follows from config and population: who can be compromised, how often, how hard."""

    open_to_it: Ints
    frauds_per_odds: Floats  # a day, for a merchant with one fraud to each legitimate payment
    starts_per_day: float
    offset: float

    def begun(self, ordinal: int) -> int:
        """How many compromises began before a day, counted from the year 1.

        They begin at an even pace: chance in their number would make months differ in how much
        fraud there is, while each day's number must still follow from the date alone.
        """
        return math.floor(self.starts_per_day * ordinal + self.offset)


def compromised_payments(config: SimulatorConfig, population: Population, day: date) -> Payments:
    """A day's frauds at compromised merchants: any user's card, for what the user'd spend there."""
    active = active_compromises(config, population, day)
    rng = day_generator(config.seed, Stream.COMPROMISED_PAYMENTS, day)
    merchant = np.repeat(active.merchant, rng.poisson(active.frauds_per_day))
    size = len(merchant)
    user = population.pick_users(rng, size)
    own = population.users.devices.of(rng, user, day)
    return Payments(
        time=to_microseconds(rng, fraud_seconds(rng, size)),
        user=user,
        merchant=merchant,
        device=np.where(rng.random(size) < NEW_DEVICE, new_devices(rng, size), own),
        cents=cents_of(population.ordinary_amounts(rng, user, merchant)),
        kind=all_of(Kind.COMPROMISED_MERCHANT, size),
    )


def active_compromises(config: SimulatorConfig, population: Population, day: date) -> Compromises:
    """The merchants that are compromised on a day, from the days on which they can have begun."""
    plan = _plan(config, population)
    today = day.toordinal()
    merchants, frauds = [], []
    for start in range(today - COMPROMISE_DAYS[1] + 1, today + 1):
        rng = day_generator(config.seed, Stream.COMPROMISE, start)
        count = plan.begun(start + 1) - plan.begun(start)
        row = rng.integers(0, len(plan.open_to_it), size=count)
        share = rng.uniform(*FRAUD_SHARE, size=count)
        length = rng.integers(COMPROMISE_DAYS[0], COMPROMISE_DAYS[1] + 1, size=count)
        active = start + length > today
        merchants.append(plan.open_to_it[row][active])
        frauds.append((plan.frauds_per_odds[row] * share / (1 - share))[active])
    return Compromises(np.concatenate(merchants), np.concatenate(frauds))


def _plan(config: SimulatorConfig, population: Population) -> _Plan:
    """Compromises so frequent that their frauds make up their part of the configured share.

    Where a few merchants' frauds would already be too many (few merchants, little fraud), each is
    hit less hard instead of less often: a month without any would teach a model nothing.
    """
    wanted = expected_frauds(config, Kind.COMPROMISED_MERCHANT)
    count = math.ceil(SMALLER * len(population.traffic))
    open_to_it = np.sort(np.argsort(population.traffic)[:count])
    payments = population.traffic[open_to_it] * config.transactions_per_day
    low, high = FRAUD_SHARE
    mean_odds = math.log((1 - low) / (1 - high)) / (high - low) - 1  # of s / (1 - s), s uniform
    each = float(mean_odds * payments.mean())
    at_once = max(AT_ONCE, wanted / each)
    hardness = wanted / (at_once * each)
    return _Plan(
        open_to_it=open_to_it,
        frauds_per_odds=hardness * payments,
        starts_per_day=at_once / (sum(COMPROMISE_DAYS) / 2),
        offset=day_generator(config.seed, Stream.COMPROMISE, 0).random(),  # no day is 0
    )
