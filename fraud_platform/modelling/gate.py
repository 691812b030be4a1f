"""Whether a challenger may go live: the conditions, each with its figure and its limit."""

import msgspec


class Condition(msgspec.Struct):
    """One condition of promotion: what was found, what was asked for, and what it comes to."""

    name: str
    figure: str
    limit: str
    passed: bool
    sentence: str
