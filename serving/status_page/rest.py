"""The gate's last word, parity, the tables of the lake, runs and alerts."""

from fraud_platform.contracts.monitoring import Figures, LiveParity
from fraud_platform.monitoring.words import NOTHING, counted, share, when
from serving.status_page.html import Html, el
from serving.status_page.parts import folded, items, note, section, table


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
    names = sorted({*newest.differing, *newest.skewed}, key=lambda name: _differs(newest, name))
    if not names:
        return section("parity", "Parity", el("p", said), note("Nothing differed."))
    head = ("Feature", "Nothing explains it", "The online state was behind")
    rows = [
        (name, f"{newest.differing.get(name, 0):,}", f"{newest.skewed.get(name, 0):,}")
        for name in names
    ]
    behind, unexplained = sum(newest.skewed.values()), sum(newest.differing.values())
    why = (
        f"{counted(behind, 'value')} differed as the online state was behind, and "
        f"{unexplained:,} that nothing explains."
    )
    shown = folded("What differed, by feature", table("Values that differed", head, rows))
    return section("parity", "Parity", el("p", said, " ", why), shown)


def _differs(parity: LiveParity, name: str) -> tuple[int, int]:
    return -parity.differing.get(name, 0), -parity.skewed.get(name, 0)


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
