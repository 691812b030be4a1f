"""Small charts as inline SVG: they fill their box, so that all text stays outside, in HTML.

Colours come from classes of the page's style, as its policy forbids styles of an element's own.
Each has a title and a description, which are what a reader of the screen gets instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

from serving.status_page.html import Html, el

_STEP, _HIGH = 10, 100
Values = Sequence[float | None]


class Line(NamedTuple):
    """Values from left to right, and the class that draws them."""

    values: Values
    kind: str


class Frame(NamedTuple):
    """What is beside a chart: its name, what it says in words, and its corners."""

    name: str
    says: str
    """The newest value, seen beside the name."""
    told: str
    """The course in a sentence, for who does not see it."""
    top: str
    bottom: str
    left: str
    right: str


def bars(frame: Frame, values: Values, top: float, marked: Values = (), limit: float = 0) -> Html:
    """A bar a value up to `top`, those of `marked` in the colour of what is wrong; with a line at
    `limit`. Both have the same length; None draws nothing."""
    drawn = [_path("bar", values, top)]
    if any(one is not None for one in marked):
        drawn.append(_path("bar marked", marked, top))
    if limit:
        drawn.append(_stroke("limit", f"M0 {_y(limit, top)}H{len(values) * _STEP}"))
    return _figure(frame, len(values), drawn)


def lines(frame: Frame, drawn: Sequence[Line], top: float, low: float = 0.0) -> Html:
    """Lines over the same places from `low` to `top`; a value between two gaps is a dot."""
    raised = [[None if v is None else v - low for v in one.values] for one in drawn]
    made = [
        _stroke(one.kind, _course(values, top - low))
        for one, values in zip(drawn, raised, strict=True)
    ]
    if low < 0:
        made.append(_stroke("limit", f"M0 {_y(-low, top - low)}H{len(raised[0]) * _STEP}"))
    return _figure(frame, len(raised[0]), made)


def _figure(frame: Frame, count: int, drawn: Sequence[Html]) -> Html:
    picture = el(
        "svg",
        el("title", frame.name),
        el("desc", frame.told),
        *drawn,
        role="img",
        viewBox=f"0 0 {max(1, count) * _STEP} {_HIGH}",
        preserveAspectRatio="none",
        focusable="false",
    )
    return el(
        "figure",
        el("figcaption", el("b", frame.name), " ", el("span", frame.says)),
        el(
            "div",
            el("div", el("span", frame.top), el("span", frame.bottom), class_="scale"),
            picture,
            class_="plot",
        ),
        el("div", el("span", frame.left), el("span", frame.right), class_="axis"),
        class_="chart",
    )


def _path(kind: str, values: Values, top: float) -> Html:
    parts = (
        f"M{i * _STEP + 1} {_HIGH}V{_y(value, top)}h{_STEP - 2}V{_HIGH}z"
        for i, value in enumerate(values)
        if value is not None and value > 0
    )
    return el("path", class_=kind, d="".join(parts))


def _stroke(kind: str, d: str) -> Html:
    # Its width is in pixels, whatever the box is stretched to.
    return el("path", class_=f"line {kind}", d=d, vector_effect="non-scaling-stroke")


def _course(values: Values, top: float) -> str:
    parts = []
    for i, value in enumerate(values):
        if value is None:
            continue
        alone = (i == 0 or values[i - 1] is None) and values[i + 1 : i + 2] in ([], [None])
        begins = i == 0 or values[i - 1] is None
        x = i * _STEP + _STEP // 2
        parts.append(f"{'M' if begins else 'L'}{x} {_y(value, top)}" + ("h.01" if alone else ""))
    return "".join(parts)


def _y(value: float, top: float) -> str:
    """How far from above; at least a hair's breadth over the ground, and never out of the box."""
    height = _HIGH * min(1.0, value / top) if top > 0 else 0.0
    return f"{_HIGH - max(0.0, height):.4g}"
