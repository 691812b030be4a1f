"""Who pays whom: users with their habits, and the merchants."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from fraud_platform.simulator.arrays import Floats, Ints
from fraud_platform.simulator.config import SimulatorConfig
from fraud_platform.simulator.devices import Devices, draw_devices
from fraud_platform.simulator.draws import cumulative, pick
from fraud_platform.simulator.merchants import Merchants, draw_merchants
from fraud_platform.simulator.rhythm import HOUR_SECONDS, everyones_seconds
from fraud_platform.simulator.streams import population_generator

# Well inside the 50 to 500 that the platform expects of a day's mean amount.
MEAN_AMOUNT = 85.0

# Of a user's payments at favourite merchants, the share of each.
FAVOURITE_WEIGHTS = np.array([0.27, 0.2, 0.15, 0.12, 0.09, 0.07, 0.06, 0.04])
FAVOURITES = len(FAVOURITE_WEIGHTS)
_FAVOURITE_SHARES = cumulative(FAVOURITE_WEIGHTS)


@dataclass(frozen=True)
class Users:
    """All users, one row each.

    `activity` is the user's share of all payments and `active` the same cumulated. `level` is the
    mean amount in currency units at a merchant of level 1, `spread` the standard deviation of
    ln(amount). `loyalty` is the share of payments at one of the `favourites` (users x 8 merchant
    rows, picked by FAVOURITE_WEIGHTS). `peak` and `wander` are the favourite second of the day and
    its standard deviation.
    """

    ids: pl.Series
    activity: Floats
    active: Floats
    level: Floats
    spread: Floats
    favourites: Ints
    loyalty: Floats
    peak: Floats
    wander: Floats
    devices: Devices


@dataclass(frozen=True)
class Population:
    """Users and merchants, and what follows from both.

    `traffic` is each merchant's expected share of the legitimate payments.
    """

    users: Users
    merchants: Merchants
    traffic: Floats

    def pick_users(self, rng: np.random.Generator, size: int) -> Ints:
        """Users by how active they are."""
        return pick(rng, self.users.active, size)

    def pick_merchants(self, rng: np.random.Generator, users: Ints) -> Ints:
        """Where each user pays: often at a favourite, else at a popular merchant."""
        size = len(users)
        favourite = self.users.favourites[users, pick(rng, _FAVOURITE_SHARES, size)]
        other = pick(rng, self.merchants.popular, size)
        return np.where(rng.random(size) < self.users.loyalty[users], favourite, other)

    def habit(self, users: Ints, merchants: Ints) -> Floats:
        """The mean amount of each user at each merchant, in currency units."""
        return self.users.level[users] * self.merchants.level[merchants]

    def ordinary_amounts(self, rng: np.random.Generator, users: Ints, merchants: Ints) -> Floats:
        """Log-normal amounts around the habit, in currency units."""
        spread = self.users.spread[users]
        noise = np.exp(spread * rng.standard_normal(len(users)) - spread**2 / 2)
        return self.habit(users, merchants) * noise


def draw_population(config: SimulatorConfig) -> Population:
    """The users and merchants of a world: they follow from the seed and their two numbers."""
    rng = population_generator(config.seed)
    merchants = draw_merchants(rng, config.merchants)
    users = _draw_users(rng, config.users, merchants)
    mean = float(np.sum(users.activity * users.level * _mean_merchant_level(users, merchants)))
    return Population(
        users=replace(users, level=users.level * (MEAN_AMOUNT / mean)),
        merchants=merchants,
        traffic=_expected_visits(users, merchants),
    )


def _draw_users(rng: np.random.Generator, count: int, merchants: Merchants) -> Users:
    activity = np.exp(0.7 * rng.standard_normal(count))
    favourites = pick(rng, merchants.popular, count * FAVOURITES)
    return Users(
        ids=pl.Series([f"u{i:06d}" for i in range(count)]),
        activity=activity / activity.sum(),
        active=cumulative(activity),
        level=np.exp(0.45 * rng.standard_normal(count)),
        spread=rng.uniform(0.4, 0.8, size=count),
        favourites=favourites.reshape(count, FAVOURITES),
        loyalty=rng.uniform(0.4, 0.8, size=count),
        peak=everyones_seconds(rng, count),
        wander=rng.uniform(1.5, 4.0, size=count) * HOUR_SECONDS,
        devices=draw_devices(rng, count),
    )


def _expected_visits(users: Users, merchants: Merchants) -> Floats:
    loyal = users.activity * users.loyalty
    at_favourites = np.bincount(
        users.favourites.ravel(),
        weights=np.outer(loyal, FAVOURITE_WEIGHTS).ravel(),
        minlength=len(merchants.level),
    )
    return at_favourites + (1 - loyal.sum()) * merchants.popularity


def _mean_merchant_level(users: Users, merchants: Merchants) -> Floats:
    """The level each user meets on average; with few users it is far from the merchants' mean."""
    at_favourites = merchants.level[users.favourites] @ FAVOURITE_WEIGHTS
    elsewhere = float(merchants.level @ merchants.popularity)
    return users.loyalty * at_favourites + (1 - users.loyalty) * elsewhere
