"""Drift by feature over time: each a small chart, all on one scale, with the limit as a line."""

from collections.abc import Iterator

from fraud_platform.contracts.monitoring import DayDrift, Figures
from fraud_platform.monitoring.words import NOTHING, calendar, counted
from serving.status_page.charts import Frame, bars
from serving.status_page.html import Html, el
from serving.status_page.parts import folded, items, note, section, table
from serving.status_page.view import View

FIRST = 9
"""Features that are seen at once; the others are folded away."""
TOP = 3.0
"""Times its bound that a feature's bar has the full height at."""
MEASURES = {"psi": "PSI", "kl": "KL", "ks": "KS", "missing": "missing", "outside": "unseen"}


def drift(view: View, figures: Figures) -> Iterator[str]:
    """The section part by part: a month of all features is more than is made in one go."""
    days = sorted(figures.drift, key=lambda one: one.day)
    judged = [one for one in days if not one.unjudged]
    if not judged:
        said = f"{days[-1].day} was not judged: {days[-1].unjudged}." if days else ""
        yield section("drift", "Drift", note(said or "No day was held against a model yet."))
        return
    newest = judged[-1]
    shown = calendar([one.day for one in days])
    by_day = {one.day: one for one in judged}
    order = _order(view, newest, judged)
    yield '<section aria-labelledby="drift">'
    yield el("h2", "Drift", id="drift") + el("p", _summary(newest, days[-1]))
    if newest.findings:
        yield items(newest.findings, kind="findings")
    yield '<div class="charts">'
    for place, name in enumerate(order):
        if place == FIRST:
            more = el("summary", counted(len(order) - FIRST, "more feature"))
            yield f'</div><details>{more}<div class="charts">'
        yield _chart(view, name, [by_day.get(day) for day in shown], newest)
    yield "</div></details>" if len(order) > FIRST else "</div>"
    yield note(_LEGEND)
    yield folded("The newest day's measures", _table(newest)) + "</section>"


_LEGEND = (
    "Bars are the farthest of PSI, KL, KS, missing and unseen values, in times of its bound (the "
    "line): the limit of the settings, with what chance explains on top. What the same weekdays "
    "explain is left out. What is over the line has drifted."
)


def _summary(newest: DayDrift, last: DayDrift) -> str:
    against = f" (against v{newest.model_version})" if newest.model_version else ""
    found, of = len(newest.drifted), len(newest.distances)
    said = f"{newest.day}{against}: {found or 'none'} of {counted(of, 'feature')} drifted."
    if last.day != newest.day:
        said += f" {last.day} was not judged: {last.unjudged}."
    return said


def _order(view: View, newest: DayDrift, judged: list[DayDrift]) -> list[str]:
    """The features, what drifted first, then the farthest; those never judged last."""
    names = dict.fromkeys(name for one in judged for name in one.distances)
    quiet = view.drift.quiet

    def rank(name: str) -> tuple[bool, bool, float]:
        return name in newest.drifted, name not in quiet, newest.excess.get(name, 0.0)

    return sorted(names, key=rank, reverse=True)


def _chart(view: View, name: str, days: list[DayDrift | None], newest: DayDrift) -> Html:
    times = [None if day is None else day.excess.get(name) for day in days]
    found = [day is not None and name in day.drifted for day in days]
    marked = [one if moved else None for one, moved in zip(times, found, strict=True)]
    plain = [None if moved else one for one, moved in zip(times, found, strict=True)]
    at = newest.excess.get(name)
    says = "gone" if at is None else f"{at:.2f} of its bound"
    says += ", drifted" if name in newest.drifted else ""
    says += ", never judged" if name in view.drift.quiet else ""
    first, last = _ends(days)
    moved = [day.day for day, is_so in zip(days, found, strict=True) if day and is_so]
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
