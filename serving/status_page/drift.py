"""Drift by feature over time: each a small chart, all on one scale, with the limit as a line."""

from collections.abc import Iterator, Mapping

from fraud_platform.contracts.monitoring import DayDrift, Figures
from fraud_platform.monitoring.words import NOTHING, calendar, counted
from fraud_platform.settings import Drift
from serving.status_page.charts import Frame, bars
from serving.status_page.html import Html, el
from serving.status_page.parts import folded, items, note, section, table
from serving.status_page.view import View

FIRST = 9
"""Features that are seen at once; the others are folded away."""
TOP = 3.0
"""Times its limit that a feature's bar has the full height at."""
MEASURES = {"psi": "PSI", "kl": "KL", "ks": "KS", "missing": "missing", "outside": "unseen"}
Limits = Mapping[str, float]


def drift(view: View, figures: Figures) -> Iterator[str]:
    """The section part by part: a month of all features is more than is made in one go."""
    days = sorted(figures.drift, key=lambda one: one.day)
    judged = [one for one in days if not one.unjudged]
    if not judged:
        said = f"{days[-1].day} was not judged: {days[-1].unjudged}." if days else ""
        yield section("drift", "Drift", note(said or "No day was held against a model yet."))
        return
    newest = judged[-1]
    limits = _limits(view.drift)
    shown = calendar([one.day for one in days])
    by_day = {one.day: one for one in judged}
    order = _order(view, newest, judged, limits)
    yield '<section aria-labelledby="drift">'
    yield el("h2", "Drift", id="drift") + el("p", _summary(newest, days[-1]))
    if newest.findings:
        yield items(newest.findings, kind="findings")
    yield '<div class="charts">'
    for place, name in enumerate(order):
        if place == FIRST:
            more = el("summary", counted(len(order) - FIRST, "more feature"))
            yield f'</div><details>{more}<div class="charts">'
        yield _chart(view, name, [by_day.get(day) for day in shown], newest, limits)
    yield "</div></details>" if len(order) > FIRST else "</div>"
    yield note(*_LEGEND)
    yield folded("The newest day's measures", _table(newest)) + "</section>"


_LEGEND = (
    (
        "Bars are the farthest of PSI, KL, KS, missing and unseen values, in times of its limit "
        "(the line); what drifted is marked."
    ),
    "A bar over the line that is not marked is explained by chance or by the weekday.",
)


def _summary(newest: DayDrift, last: DayDrift) -> str:
    against = f" (against v{newest.model_version})" if newest.model_version else ""
    found, of = len(newest.drifted), len(newest.distances)
    said = f"{newest.day}{against}: {found or 'none'} of {counted(of, 'feature')} drifted."
    if last.day != newest.day:
        said += f" {last.day} was not judged: {last.unjudged}."
    return said


def _limits(settings: Drift) -> Limits:
    return {measure: getattr(settings, measure) for measure in MEASURES}


def _order(view: View, newest: DayDrift, judged: list[DayDrift], limits: Limits) -> list[str]:
    """The features, what drifted first, then the farthest; those never judged last."""
    names = dict.fromkeys(name for one in judged for name in one.distances)
    quiet = view.drift.quiet

    def rank(name: str) -> tuple[bool, bool, float]:
        return name in newest.drifted, name not in quiet, _farthest(newest, name, limits)[0] or 0.0

    return sorted(names, key=rank, reverse=True)


def _farthest(day: DayDrift | None, name: str, limits: Limits) -> tuple[float | None, str]:
    """How many times its limit the farthest measure of a feature is, and which measure that is."""
    found = day.distances.get(name, {}) if day else {}
    times = [
        (found[measure] / limit, measure) for measure, limit in limits.items() if measure in found
    ]
    return max(times) if times else (None, "psi")


def _chart(
    view: View, name: str, days: list[DayDrift | None], newest: DayDrift, limits: Limits
) -> Html:
    tolerance = view.drift.times.get(name, 1.0)
    times, plain, marked, moved = [], [], [], []
    for day in days:
        far = _farthest(day, name, limits)[0]
        times.append(None if far is None else far / tolerance)
        found = day is not None and name in day.drifted
        plain.append(None if found else times[-1])
        marked.append(times[-1] if found else None)
        moved += [day.day] if day is not None and found else []
    _, measure = _farthest(newest, name, limits)
    at = newest.distances.get(name, {}).get(measure)
    says = "gone" if at is None else f"{MEASURES[measure]} {at:.3f}"
    says += ", drifted" if name in newest.drifted else ""
    says += ", never judged" if name in view.drift.quiet else ""
    first, last = _ends(days)
    how = f"drifted on {', '.join(moved)}" if moved else "never drifted"
    told = f"{name} from {first} to {last}: {how}; on {newest.day} {says}."
    frame = Frame(name, says, told, f"{TOP:g}\N{MULTIPLICATION SIGN}", "0", first, last)
    return bars(frame, plain, TOP, marked=marked, limit=1.0)


def _ends(days: list[DayDrift | None]) -> tuple[str, str]:
    known = [one.day for one in days if one is not None]
    return known[0], known[-1]


def _table(newest: DayDrift) -> Html:
    rows = [
        (
            name,
            "drifted" if name in newest.drifted else NOTHING,
            *(f"{found[one]:.3f}" if one in found else NOTHING for one in MEASURES),
        )
        for name, found in sorted(newest.distances.items())
    ]
    head = ("Feature", "Verdict", *(one[0].upper() + one[1:] for one in MEASURES.values()))
    return table(f"Measures of {newest.day}", head, rows, text=2)
