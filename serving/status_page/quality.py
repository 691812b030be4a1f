"""Quality over time: what matured labels say, and apart from it the early estimates."""

from collections.abc import Callable, Iterator

from fraud_platform.contracts.monitoring import DayQuality, Figures, Quality
from fraud_platform.monitoring.words import NOTHING, calendar, figure, money
from serving.status_page.charts import Frame, Line, lines
from serving.status_page.html import Html, el
from serving.status_page.parts import folded, note, section, table

Figure = Callable[[Quality], float | None]
SHOWN: dict[str, tuple[Figure, Callable[[float | None], str]]] = {
    "Precision": (lambda one: one.precision, figure),
    "Recall": (lambda one: one.recall, figure),
    "Average precision": (lambda one: one.average_precision, figure),
    "AUC": (lambda one: one.auc, figure),
    "Calibration error": (lambda one: one.calibration_error, figure),
    "Money saved": (lambda one: one.money_saved, money),
}


def quality(figures: Figures) -> Iterator[str]:
    """Each figure over the decided days, and all of them as a table; part by part."""
    known = sorted(figures.quality, key=lambda one: one.decided)
    matured = {one.decided: one for one in known if one.estimate == "matured"}
    # A day that has matured is no estimate any more.
    early = {
        one.decided: one for one in known if one.estimate == "early" and one.decided not in matured
    }
    if not known:
        nothing = note("No decisions were held against labels yet.")
        yield section("quality", "Quality of the decisions", nothing)
        return
    shown = calendar([one.decided for one in known])
    head = (
        *("Decided", "Labels", "Model", "Decisions", "Labelled", "Frauds", "Alarms"),
        *SHOWN,
        "Money lost",
    )
    rows = [
        row
        for one in sorted([*matured.values(), *early.values()], key=lambda one: one.decided)[::-1]
        for row in _rows(one)
    ]
    weighed = any(one.overall.weighed for one in known)
    yield '<section aria-labelledby="quality">'
    yield el("h2", "Quality of the decisions", id="quality") + el("p", _summary(matured, early))
    yield '<div class="charts">'
    for name in SHOWN:
        yield _chart(name, matured, early, shown)
    yield "</div>"
    yield _LEGEND
    yield note(_EARLY, *([_WEIGHED] if weighed else []))
    yield folded(
        "All figures as a table", table("By decided day, newest first", head, rows, text=3)
    )
    yield "</section>"


_LEGEND = el(
    "p",
    el("b", "━ matured", class_="first"),
    el("b", "┄ early", class_="early"),
    class_="legend",
    aria_hidden="true",
)
_EARLY = (
    "Matured: the labels are final. Early: frauds that nobody reported yet count as none, so "
    "precision and recall still move."
)
_WEIGHED = "Decisions let pass at random count by the inverse of their chance."


def _summary(matured: dict[str, DayQuality], early: dict[str, DayQuality]) -> str:
    said = []
    for name, found in (("Matured", matured), ("Early", early)):
        if not found:
            said.append(f"{name}: no day yet.")
            continue
        newest = found[max(found)]
        if newest.unjudged:
            said.append(f"{name}, {newest.decided}: {newest.unjudged}.")
            continue
        of = newest.overall
        said.append(
            f"{name}, {newest.decided}: precision {figure(of.precision)}, recall "
            f"{figure(of.recall)} on {of.frauds:,} frauds of {of.labelled:,} labelled."
        )
    return " ".join(said)


def _chart(
    name: str, matured: dict[str, DayQuality], early: dict[str, DayQuality], shown: list[str]
) -> Html:
    of, write = SHOWN[name]
    solid, dashed = ([_value(found.get(day), of) for day in shown] for found in (matured, early))
    values = [one for one in (*solid, *dashed) if one is not None]
    share = write is figure and name != "Calibration error"
    top = 1.0 if share else max(values, default=0.0) or 1.0
    newest = next((one for one in reversed(solid) if one is not None), None)
    newer = next((one for one in reversed(dashed) if one is not None), None)
    says = f"{write(newest)} matured, {write(newer)} early"
    told = f"{name} of the decisions from {shown[0]} to {shown[-1]}: {says}, the newest."
    low = min([0.0, *values])
    frame = Frame(name, says, told, write(top), write(low) if low else "0", shown[0], shown[-1])
    course = [Line(_joined(solid, dashed), "early"), Line(solid, "first")]
    return lines(frame, course, top, low)


def _joined(solid: list[float | None], dashed: list[float | None]) -> list[float | None]:
    """The early line, begun at the last matured day where the next one is early."""
    return [
        own if own is not None or i + 1 >= len(dashed) or dashed[i + 1] is None else solid[i]
        for i, own in enumerate(dashed)
    ]


def _value(day: DayQuality | None, of: Figure) -> float | None:
    return None if day is None or day.unjudged else of(day.overall)


def _rows(one: DayQuality) -> list[tuple[str, ...]]:
    if one.unjudged:
        return [(one.decided, one.estimate, one.unjudged, *[NOTHING] * (len(SHOWN) + 5))]
    versions = one.by_model if len(one.by_model) > 1 else []
    return [
        (
            one.decided,
            one.estimate,
            "all" if q.model_version is None else f"v{q.model_version}",
            *(f"{n:,}" for n in (q.decisions, q.labelled, q.frauds, q.alarms)),
            *(write(of(q)) for of, write in SHOWN.values()),
            money(q.money_lost),
        )
        for q in (one.overall, *versions)
    ]
