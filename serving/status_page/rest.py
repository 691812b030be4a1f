"""The gate's last word, parity, the tables of the lake, runs and alerts."""

from fraud_platform.contracts.monitoring import Figures
from fraud_platform.monitoring.words import NOTHING, counted, share, when
from serving.status_page.html import Html, el
from serving.status_page.parts import items, note, section, table


def gate(figures: Figures) -> Html:
    """What the gate said last, condition by condition."""
    found = figures.gate
    if found is None:
        return section("gate", "The gate", note("No model was judged yet."))
    word = "let in" if found.passed else "refused"
    said = f"On {when(found.at)} it {word} v{found.model_version} of {found.partition}."
    held = [
        f"{'✓' if good else '✕'} {name}: {'held' if good else 'did not hold'}"
        for name, good in found.conditions.items()
    ]
    refusal = [] if found.passed else [el("p", found.refusal, class_="bad")]
    return section("gate", "The gate", el("p", said), *refusal, items(held, kind="conditions"))


def parity(figures: Figures) -> Html:
    """Whether what was served is what the lake has."""
    newest = max(figures.parity, key=lambda one: one.day, default=None)
    if newest is None:
        return section(
            "parity", "Parity", note("No served vectors were held against the lake yet.")
        )
    if newest.unjudged or not newest.vectors:
        why = newest.unjudged or "no vectors were served"
        return section("parity", "Parity", note(f"{newest.day}: {why}."))
    said = (
        f"{newest.day}: {share(newest.identical / newest.vectors)} of "
        f"{counted(newest.vectors, 'served vector')} had the very bits of the lake's."
    )
    found = [
        f"{name}: {counted(count, 'value')} {why}"
        for values, why in (
            (newest.differing, "differ, and nothing explains it"),
            (newest.skewed, "differ as the online state was behind"),
        )
        for name, count in sorted(values.items(), key=lambda one: -one[1])
    ]
    return section(
        "parity", "Parity", el("p", said), items(found) if found else note("Nothing differed.")
    )


def runs(figures: Figures) -> Html:
    """Failed runs and waiting alerts."""
    failed = counted(figures.failed_runs, "run") if figures.failed_runs else "No run"
    alerts = figures.waiting_alerts
    waiting = counted(alerts, "alert waits", "alerts wait") if alerts else "no alert waits"
    return section(
        "runs",
        "Runs and alerts",
        el("p", f"{failed} failed within a day; {waiting} for a target that is down."),
    )


def tables(figures: Figures) -> Html:
    """The tables of the lake."""
    if not figures.tables:
        return section("tables", "Tables", note("The lake has no table yet."))
    rows = [
        (one.name, one.newest_day or NOTHING, f"{one.newest_rows:,}", f"{one.rows:,}")
        for one in figures.tables
    ]
    head = ("Table", "Newest day", "Its rows", "All rows")
    return section("tables", "Tables", table("Tables of the lake", head, rows, text=2))
