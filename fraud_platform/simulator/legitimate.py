"""Honest payments, with the oddities that keep them from being told apart too easily."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from fraud_platform.simulator.arrays import Flags, Floats, Ints
from fraud_platform.simulator.config import SimulatorConfig
from fraud_platform.simulator.devices import new_devices
from fraud_platform.simulator.payments import Kind, Payments, all_of, cents_of
from fraud_platform.simulator.population import Population
from fraud_platform.simulator.rhythm import (
    DAY_SECONDS,
    habit_seconds,
    to_microseconds,
    weekday_factor,
)
from fraud_platform.simulator.streams import Stream, day_generator

SPREE_SHARE = 0.12  # of visits: several payments one after another
SPREE_MORE = 0.5  # geometric: mean 2 payments after the first
SPREE_GAP = 420.0  # mean seconds between them
MINI_SHARE = 0.0004  # of visits: small charges in minutes, as in games and at ticket machines
MINI_PAYMENTS = (4, 12)
MINI_GAP = 50.0
MINI_AMOUNT = (0.8, 9.0)
SPLURGE_SHARE = 0.004  # of payments: far above the habit
SPLURGE_FACTOR = (3.0, 14.0)
ODD_DEVICE_SHARE = 0.003  # of visits: a borrowed device, a private window


@dataclass(frozen=True)
class _Visits:
    """When whom: one row a visit of a user, of one or more payments."""

    user: Ints
    second: Floats
    payments: Ints
    mini: Flags


def legitimate_payments(config: SimulatorConfig, population: Population, day: date) -> Payments:
    """A day's honest payments: their mean number is what the frauds leave of the configured one."""
    rng = day_generator(config.seed, Stream.LEGITIMATE, day)
    expected = config.transactions_per_day * (1 - config.fraud_share) * weekday_factor(day)
    visits = _draw_visits(rng, population, day, expected)
    device = population.users.devices.of(rng, visits.user, day)
    odd = rng.random(len(visits.user)) < ODD_DEVICE_SHARE
    device = np.where(odd, new_devices(rng, len(device)), device)

    visit = np.repeat(np.arange(len(visits.user)), visits.payments)
    user, mini = visits.user[visit], visits.mini[visit]
    merchant = population.pick_merchants(rng, visits.user)[visit]
    elsewhere = population.pick_merchants(rng, user)
    merchant = np.where(mini | (rng.random(len(user)) < 0.5), merchant, elsewhere)
    return Payments(
        time=to_microseconds(rng, _seconds(rng, visits, visit)),
        user=user,
        merchant=merchant,
        device=device[visit],
        cents=cents_of(_amounts(rng, population, user, merchant, mini)),
        kind=all_of(Kind.LEGITIMATE, len(user)),
    )


def _draw_visits(
    rng: np.random.Generator, population: Population, day: date, expected: float
) -> _Visits:
    mini_mean = sum(MINI_PAYMENTS) / 2
    spree_mean = 1 + 1 / SPREE_MORE
    plain_share = 1 - MINI_SHARE - SPREE_SHARE
    mean = plain_share + SPREE_SHARE * spree_mean + MINI_SHARE * mini_mean
    count = int(rng.poisson(expected / mean))
    user = population.pick_users(rng, count)
    chance = rng.random(count)
    mini = chance < MINI_SHARE
    spree = ~mini & (chance < MINI_SHARE + SPREE_SHARE)
    payments = np.ones(count, dtype=np.int64)
    payments[spree] += rng.geometric(SPREE_MORE, size=int(spree.sum()))
    low, high = MINI_PAYMENTS
    payments[mini] = rng.integers(low, high + 1, size=int(mini.sum()))
    users = population.users
    second = habit_seconds(rng, day, users.peak[user], users.wander[user])
    return _Visits(user, second, payments, mini)


def _seconds(rng: np.random.Generator, visits: _Visits, visit: Ints) -> Floats:
    """The second of the day of each payment: the visit's, plus the gaps since its first payment."""
    gap = np.where(visits.mini[visit], MINI_GAP, SPREE_GAP)
    passed = np.cumsum(gap * rng.standard_exponential(len(visit)))
    first = np.cumsum(visits.payments) - visits.payments
    second = visits.second[visit] + passed - passed[first][visit]
    # A visit that would run past midnight runs backwards instead: it belongs to one day's frame.
    second = np.where(second < DAY_SECONDS, second, 2 * DAY_SECONDS - 1 - second)
    return np.clip(second, 0, DAY_SECONDS - 1)


def _amounts(
    rng: np.random.Generator, population: Population, user: Ints, merchant: Ints, mini: Flags
) -> Floats:
    """Amounts in currency units: mostly by habit, at times far above it, small in a mini spree."""
    amount = population.ordinary_amounts(rng, user, merchant)
    splurge = rng.random(len(user)) < SPLURGE_SHARE
    amount *= np.where(splurge, rng.uniform(*SPLURGE_FACTOR, size=len(user)), 1.0)
    return np.where(mini, rng.uniform(*MINI_AMOUNT, size=len(user)), amount)
