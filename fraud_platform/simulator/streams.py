"""Where randomness comes from: one independent stream a subject and day."""

from datetime import date
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The subjects that draw random numbers.

    Each has a stream of its own, so that a change to one fraud leaves every other payment as it is.
    The numbers are part of what a seed means: add, never renumber.
    """

    POPULATION = 1
    LEGITIMATE = 2
    STOLEN_CARD = 3
    SMALL_BURST = 4
    LARGE_AMOUNT = 5
    COMPROMISE = 6
    COMPROMISED_PAYMENTS = 7
    NIGHT_TAKEOVER = 8


def day_generator(seed: int, stream: Stream, day: date | int) -> np.random.Generator:
    """The generator of a subject on a UTC day (a date or its ordinal).

    It depends on the calendar day and not on where a simulation starts or ends, so the same day
    comes out the same in every simulation of a world.
    """
    ordinal = day if isinstance(day, int) else day.toordinal()
    return np.random.default_rng([seed, stream, ordinal])


def population_generator(seed: int) -> np.random.Generator:
    """The generator of the users and merchants of a world."""
    return np.random.default_rng([seed, Stream.POPULATION, 0])
