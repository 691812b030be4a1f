"""What counts as a day that is not like the model's training any more."""

from typing import Annotated

from msgspec import Meta

from fraud_platform.settings.base import NotNegative, Positive, Section, Share

Limit = Annotated[float, Meta(gt=0)]
Chance = Annotated[float, Meta(gt=0, lt=1)]


class Drift(Section, frozen=True):
    """How far a feature's day may be from training. What chance alone explains of a distance (few
    rows, few users, many features) comes on top of each limit. docs/drift.md says how the limits
    were chosen."""

    psi: Limit = 0.05
    """Population stability index; by custom it is 0.1, which has to leave room for chance too."""
    kl: Limit = 0.025
    """Kullback-Leibler divergence of the day from training, in nats; about half of the PSI."""
    ks: Limit = 0.05
    """Kolmogorov-Smirnov distance: the largest between the cumulated shares."""
    missing: Limit = 0.025
    """By how much the share of missing values may differ."""
    outside: Limit = 0.01
    """Share of values that training never saw: a new category, or beyond all that there was."""
    false_alarms: Chance = 0.01
    """Chance that sampling noise alone raises any alarm on a quiet day, all features together."""
    min_rows: Positive = 100
    """Days with fewer rows are not judged."""
    weekdays: NotNegative = 4
    """Former days of the same weekday, the last ones that the model's training knew, that an alarm
    must stand out of as well; 0 leaves weekdays alone."""
    tolerances: str = ""
    """`feature=times` pairs with commas between them: a feature may go so many times the limits."""
    ignored: str = "day_of_week"
    """Features, with commas between them, that are measured and never raise an alarm. A day has
    one weekday, which is far from training's seven on every day."""

    @property
    def times(self) -> dict[str, float]:
        """The tolerances by feature; raises ValueError for what is no pair with a number over 0."""
        found = {}
        for pair in filter(None, (part.strip() for part in self.tolerances.split(","))):
            name, _, times = pair.partition("=")
            try:
                found[name.strip()] = float(times)
            except ValueError:
                raise ValueError(f"{pair!r} is not of the form feature=times") from None
            if not 0 < found[name.strip()] < float("inf"):
                raise ValueError(f"{pair!r} gives no number of times over 0")
        return found

    @property
    def quiet(self) -> set[str]:
        """The ignored features."""
        return {name.strip() for name in self.ignored.split(",")} - {""}


class QualityFloors(Section, frozen=True):
    """How good the service's decisions have to be once their labels are mature. What chance alone
    explains of a low figure (few frauds, few alarms) is no finding."""

    precision: Share = 0.5
    """Least share of frauds among what was called fraud; 0 asks for nothing."""
    recall: Share = 0.5
    """Least share of the frauds that were called fraud; 0 asks for nothing."""
    min_frauds: Positive = 20
    """Days with fewer labelled frauds are held against no floor."""


class Exporter(Section, frozen=True):
    """`predictflow exporter`, which shows Prometheus the platform's figures."""

    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 9110
    """Where it shows them; 0 takes a free port."""
    gather_seconds: Positive = 60
    """How often it gathers them, where it is told to by `--gather`."""
