"""The platform's figures as Prometheus reads them: one series holds the newest value.

They are made anew of the file at each look, so that what has vanished has no series any more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fraud_platform.contracts.monitoring import DayQuality, Figures, Quality
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import QualityFloors, Settings

_DISTANCES = {
    "kl": ("feature_distribution_shift", "KL divergence of the day from training, in nats"),
    "psi": ("feature_population_stability_index", "Population stability index of the day"),
    "ks": ("feature_kolmogorov_smirnov", "Kolmogorov-Smirnov distance of the day"),
    "missing": ("feature_missing_difference", "Share of missing values less training's, absolute"),
    "outside": ("feature_outside_share", "Share of values that training never saw"),
}
_QUALITY = {
    "precision": "Share of frauds among what was called fraud",
    "recall": "Share of the frauds that were called fraud",
    "auc": "Area under the ROC curve of the decisions",
    "average_precision": "Average precision of the decisions",
    "calibration_error": "Expected calibration error of the decisions",
    "money_saved": "Money saved against calling nothing fraud, in currency units",
    "money_lost": "Money that the decisions cost all the same, in currency units",
}
_COUNTS = {
    "decisions": "Decisions of the judged day",
    "degraded": "Decisions of the judged day without the online state",
    "labelled": "Decisions of the judged day that have a label which counts",
    "frauds": "Frauds among the labelled decisions of the judged day",
    "alarms": "Labelled decisions of the judged day that were called fraud",
}
_STATES = ("made", "failed", "running", "missing")

Rows = Iterable[tuple[tuple[str, ...], float | None]]


class FiguresCollector(Collector):
    """Metrics of the figures that `read` gives at each look, and of the floors they are held to."""

    def __init__(self, read: Callable[[], Figures | None], floors: QualityFloors) -> None:
        self._read, self._floors = read, floors

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families; without readable figures only that there are none."""
        try:
            figures = self._read()
        except PredictFlowError:
            figures = None  # the log of who serves this says why
        readable = "Whether there is a file of figures that can be read"
        yield from _gauge("fraud_figures_readable", readable, (), [((), figures is not None)])
        if figures is not None:
            yield from _of_platform(figures)
            yield from _of_days(figures)
            yield from _of_drift(figures)
            yield from _of_quality(figures, self._floors)
            yield from _of_model(figures)


def registry_of(read: Callable[[], Figures | None], settings: Settings) -> CollectorRegistry:
    """A registry of the figures alone."""
    registry = CollectorRegistry()
    registry.register(FiguresCollector(read, settings.quality_floors))
    return registry


def _of_platform(figures: Figures) -> Iterator[GaugeMetricFamily]:
    for name, text, value in (
        ("fraud_figures_timestamp_seconds", "When the figures were gathered", _seconds(figures.at)),
        ("fraud_figures_faults", "Files and tables that could not be read", len(figures.faults)),
        (
            "fraud_failed_runs",
            "Dagster's runs that were given up within 24 hours",
            figures.failed_runs,
        ),
        ("fraud_alerts_waiting", "Alerts that wait for their target", figures.waiting_alerts),
    ):
        yield from _gauge(name, text, (), [((), value)])


def _of_days(figures: Figures) -> Iterator[GaugeMetricFamily]:
    if figures.days:
        states = Counter(one.state for one in figures.days)
        rows = [((state,), float(states[state])) for state in _STATES]
        yield from _gauge("fraud_days", "The last 30 days by state", ("state",), rows)
        newest = figures.days[-1]
        text = "Records that were rejected on the newest whole day"
        yield from _gauge("fraud_quarantined_events", text, (), [((), newest.quarantined)])
    # Of the table, as the last 30 days may hold none.
    made = (one.newest_day for one in figures.tables if one.name == "transaction_features")
    text, rows = "End of the newest day whose features were made", [((), _end(next(made, None)))]
    yield from _gauge("fraud_last_made_day_timestamp_seconds", text, (), rows)
    for name, text, value in (
        ("fraud_table_rows", "Rows of the table", lambda one: one.rows),
        ("fraud_table_newest_day_rows", "Rows of its newest day", lambda one: one.newest_rows),
        (
            "fraud_table_newest_day_timestamp_seconds",
            "End of its newest day",
            lambda one: _end(one.newest_day),
        ),
    ):
        rows = [((one.name,), value(one)) for one in figures.tables]
        yield from _gauge(name, text, ("table",), rows)


def _of_drift(figures: Figures) -> Iterator[GaugeMetricFamily]:
    if not figures.drift:
        return
    newest = figures.drift[-1]
    for measure, (name, text) in _DISTANCES.items():
        rows = [((of,), found.get(measure)) for of, found in newest.distances.items()]
        yield from _gauge(name, text, ("feature",), rows)
    names = dict.fromkeys([*newest.distances, *newest.drifted])
    rows = [((name,), float(name in newest.drifted)) for name in names]
    yield from _gauge("feature_drifted", "Whether it drifted on the day", ("feature",), rows)
    text = "Whether the day could be held against the live model's training"
    yield from _gauge("fraud_drift_judged", text, (), [((), not newest.unjudged)])
    text = "End of the day that drift was looked for on"
    yield from _gauge("fraud_drift_day_timestamp_seconds", text, (), [((), _end(newest.day))])


def _of_quality(figures: Figures, floors: QualityFloors) -> Iterator[GaugeMetricFamily]:
    newest: dict[str, DayQuality] = {}
    for one in figures.quality:  # oldest first
        if not one.unjudged:
            newest[one.estimate] = one
    judged = [
        ((estimate, found.model_version or "all"), found)
        for estimate, day in newest.items()
        for found in (day.overall, *day.by_model)
    ]
    labels = ("estimate", "model_version")
    for prefix, texts in (("fraud_model_", _QUALITY), ("fraud_quality_", _COUNTS)):
        for name, text in texts.items():
            rows = [(of, _figure(found, name)) for of, found in judged]
            yield from _gauge(prefix + name, text, labels, rows)
    rows = [((estimate,), _end(day.decided)) for estimate, day in newest.items()]
    text = "End of the day whose decisions were judged"
    yield from _gauge("fraud_quality_day_timestamp_seconds", text, ("estimate",), rows)
    rows = [((name,), getattr(floors, name)) for name in ("precision", "recall")]
    yield from _gauge("fraud_quality_floor", "What is asked of a day", ("metric",), rows)
    text = "Labelled frauds from which on a day is held against the floors"
    yield from _gauge("fraud_quality_min_frauds", text, (), [((), floors.min_frauds)])
    text = "What the newest report on quality found below a floor"
    yield from _gauge("fraud_quality_below_floor", text, (), [((), len(figures.below_floor))])
    parity = next((one for one in reversed(figures.parity) if one.vectors), None)
    if parity is not None:
        text = "Share of the served vectors that have the bits of transaction_features"
        share = parity.identical / parity.vectors
        yield from _gauge("fraud_parity_identical_share", text, (), [((), share)])
        for kind, text, found in (
            ("skewed", "Served values that differ as the online state was behind", parity.skewed),
            ("differing", "Served values that no freshness explains", parity.differing),
        ):
            rows = [((name,), count) for name, count in found.items()]
            yield from _gauge(f"fraud_parity_{kind}_values", text, ("feature",), rows)
        text = "End of the day whose vectors were compared"
        yield from _gauge("fraud_parity_day_timestamp_seconds", text, (), [((), _end(parity.day))])


def _of_model(figures: Figures) -> Iterator[GaugeMetricFamily]:
    if (model := figures.model) is not None:
        labels = ("model_name", "model_version", "partition")
        values = tuple(getattr(model, name) for name in labels)
        yield from _gauge("fraud_champion_info", "The live model", labels, [(values, 1)])
        text = "When the live model went live"
        rows = [((), _seconds(model.since))]
        yield from _gauge("fraud_champion_promoted_timestamp_seconds", text, (), rows)
        rows = [((name,), value) for name, value in model.metrics.items()]
        text = "The live model on its own test days"
        yield from _gauge("fraud_champion_metric", text, ("metric",), rows)
    if (gate := figures.gate) is not None:
        text = "Whether the gate let in the model that it judged last"
        yield from _gauge("fraud_gate_passed", text, (), [((), gate.passed)])
        rows = [((name,), passed) for name, passed in gate.conditions.items()]
        text = "Whether the condition held"
        yield from _gauge("fraud_gate_condition_passed", text, ("condition",), rows)
        text, rows = "When the gate judged last", [((), _seconds(gate.at))]
        yield from _gauge("fraud_gate_timestamp_seconds", text, (), rows)


def _gauge(
    name: str, text: str, labels: tuple[str, ...], rows: Rows
) -> Iterator[GaugeMetricFamily]:
    """A family, without the values that there are not; none where there is no value at all."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, value)
    if family.samples:
        yield family


def _figure(found: Quality, name: str) -> float | None:
    return getattr(found, name)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _end(day: str | None) -> float | None:
    if day is None:
        return None
    after = date.fromisoformat(day) + timedelta(days=1)
    return datetime.combine(after, datetime.min.time(), UTC).timestamp()
