"""What several sections of the page have: tiles, tables, sections, what is folded away."""

from collections.abc import Iterable, Sequence

from serving.status_page.html import Html, el, joined


def section(name: str, title: str, *parts: str) -> Html:
    return el("section", el("h2", title, id=name), *parts, aria_labelledby=name)


def tile(name: str, value: str, *below: str, kind: str | None = None) -> Html:
    """A figure that is seen first, with its name over it and smaller lines below."""
    return el(
        "div",
        el("dt", name),
        el("dd", el("b", value, class_=kind), *(el("small", line) for line in below if line)),
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> Html:
    """A table whose first column heads its rows; all columns from `text` on are numbers."""
    top = [el("th", one, scope="col", class_=_kind(i, text)) for i, one in enumerate(head)]
    body = [
        el(
            "tr",
            el("th", row[0], scope="row"),
            *(el("td", one, class_=_kind(i, text)) for i, one in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    made = el("table", el("caption", caption), el("thead", el("tr", *top)), el("tbody", *body))
    # Wider than a phone it is moved sideways, by the keyboard too.
    return el("div", made, class_="scroll", role="region", aria_label=caption, tabindex=0)


def folded(summary: str, *parts: str) -> Html:
    return el("details", el("summary", summary), *parts)


def note(*sentences: str) -> Html:
    return el("p", " ".join(sentences), class_="note")


def items(texts: Iterable[str], kind: str | None = None) -> Html:
    return el("ul", *(el("li", text) for text in texts), class_=kind)


def charts(made: Iterable[Html]) -> Html:
    return el("div", joined(*made), class_="charts")


def _kind(column: int, text: int) -> str | None:
    return "n" if column >= text else None
