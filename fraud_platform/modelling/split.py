"""The training window: days of mature labels, cut by time into fit, validation and test."""

from datetime import date, timedelta

import msgspec

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Labels, Training


class DateRange(msgspec.Struct, frozen=True):
    """UTC days from `start` up to, but not including, `end`."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days the range holds."""
        return (self.end - self.start).days

    @property
    def last(self) -> date:
        """The last day that belongs to the range."""
        return self.end - timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.start} to {self.last}"


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Ranges of days, oldest first: the model is fitted on `fit`, its threshold chosen on
    `validation`, and it is reported on `test`, where nothing is chosen.

    After `fit` come the days of the gap, which nobody uses. With `random` validation rows are drawn
    from the days of both: `fit` and `validation` are then the same range.
    """

    fit: DateRange
    validation: DateRange
    test: DateRange
    random: bool = False

    @property
    def window(self) -> DateRange:
        """All three ranges together."""
        return DateRange(self.fit.start, self.test.end)

    @property
    def parts(self) -> dict[str, DateRange]:
        """The three ranges by name, oldest first."""
        return {"fit": self.fit, "validation": self.validation, "test": self.test}

    @property
    def test_only(self) -> "Split":
        """The split without days to fit or validate on."""
        nothing = DateRange(self.test.start, self.test.start)
        return Split(fit=nothing, validation=nothing, test=self.test)


def plan_split(day: date, labels: Labels, training: Training) -> Split:
    """The split of the model that could have been trained at the end of `day`.

    A label counts as final `labels.maturity_days` after its transaction, so the window's last day
    is `day` minus that; it is `training.window_days` long. Raises PredictFlowError where gap,
    validation and test leave no day to fit on.

    >>> split = plan_split(date(2026, 3, 31), Labels(), Training())
    >>> print(split.fit, "|", split.validation, "|", split.test)
    2026-02-23 to 2026-03-14 | 2026-03-15 to 2026-03-17 | 2026-03-18 to 2026-03-24
    """
    gap, validation_days = timedelta(training.gap_days), timedelta(training.validation_days)
    end = day + timedelta(days=1 - labels.maturity_days)
    start, test = end - timedelta(training.window_days), end - timedelta(training.test_days)
    random = training.split == "random"
    validation = test - validation_days
    fit = DateRange(start, (test if random else validation) - gap)
    if fit.days < 1:
        raise PredictFlowError(
            f"training.window_days {training.window_days} leaves no day to fit on beside "
            f"{training.gap_days} days of gap, {training.validation_days} validation and "
            f"{training.test_days} test days; raise it"
        )
    return Split(
        fit=fit,
        validation=fit if random else DateRange(validation, test),
        test=DateRange(test, end),
        random=random,
    )
