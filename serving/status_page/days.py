"""The last days: made, failed, running or missing, with their transactions."""

from fraud_platform.contracts.monitoring import DayState, Figures
from fraud_platform.monitoring.words import NOTHING, calendar, counted
from serving.status_page.charts import Frame, bars
from serving.status_page.html import Html, el
from serving.status_page.parts import charts, folded, note, section, table
from serving.status_page.view import View

GLYPHS = {"made": "✓", "failed": "✕", "running": "…", "missing": NOTHING}
"""Which tell the states apart where colours don't."""


def days(view: View, figures: Figures) -> Html:
    """A mark for each day, then their transactions."""
    if not figures.days:
        return section("days", "Days", note("No day was made yet."))
    known = figures.days
    states = {one.state for one in known}
    counts = {state: sum(one.state == state for one in known) for state in GLYPHS}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    marks = el("ol", *(_mark(one) for one in known), class_="days")
    legend = el(
        "p",
        *(_key(state) for state in GLYPHS if state in states),
        class_="legend",
        aria_hidden="true",
    )
    head = ("Day", "State", "Run", "Transactions", "Quarantined")
    rows = [
        (one.day, one.state, _run(view, one), f"{one.rows:,}", f"{one.quarantined:,}")
        for one in reversed(known)
    ]
    summary = f"The last {counted(len(known), 'day')}: {said}."
    return section(
        "days",
        "Days",
        el("p", summary),
        marks,
        legend,
        charts([_rows(known), _quarantined(known)]),
        folded("All days as a table", table("The last days, newest first", head, rows, text=3)),
    )


def _mark(one: DayState) -> Html:
    return el(
        "li",
        el("span", f"{one.day}: {one.state}", class_="unseen"),
        el("b", GLYPHS[one.state], aria_hidden="true"),
        el("small", one.day[5:], aria_hidden="true"),
        class_=f"day {one.state}",
    )


def _key(state: str) -> Html:
    return el("span", el("b", GLYPHS[state], class_=f"key {state}"), " ", state)


def _run(view: View, one: DayState) -> str:
    if not one.run_id:
        return NOTHING
    if not view.run_url.startswith(("http://", "https://")):
        return one.run_id[:8]
    address = f"{view.run_url.rstrip('/')}/runs/{one.run_id}"
    return el("a", one.run_id[:8], href=address, rel="noreferrer")


def _frame(known: list[DayState], name: str, counts: dict[str, int], top: float) -> Frame:
    newest = max(counts)
    says = f"{counts[newest]:,} on {newest}"
    told = f"{name} from {known[0].day} to {known[-1].day}: {says}, at most {top:,.0f}."
    return Frame(name, says, told, f"{top:,.0f}", "0", known[0].day, known[-1].day)


def _rows(known: list[DayState]) -> Html:
    return _counts(known, "Transactions a day", {one.day: one.rows for one in known})


def _quarantined(known: list[DayState]) -> Html:
    return _counts(known, "Quarantined a day", {one.day: one.quarantined for one in known})


def _counts(known: list[DayState], name: str, counts: dict[str, int]) -> Html:
    shown = calendar(list(counts)) or list(counts)
    values = [float(counts[day]) if day in counts else None for day in shown]
    top = max(1.0, *(one or 0.0 for one in values))
    return bars(_frame(known, name, counts, top), values, top)
