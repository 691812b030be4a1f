"""The frame of an HTML page that needs nothing beside itself: tables, tiles, pictures, no script.

A wide table becomes cards on a phone: each row a block, each cell under its column's name.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

import msgspec

WIDE = 3
"""Columns that still stand side by side on a phone."""


class Cell(msgspec.Struct, frozen=True):
    """A text with a smaller one below; `kind` is a class of STYLE: good, bad or none."""

    text: str
    small: str = ""
    kind: str = ""


def page(title: str, parts: Iterable[str]) -> str:
    """The parts as one page, legible on a phone."""
    return PAGE.format(title=escape(title), style=STYLE, body="\n".join(parts))


def paragraph(*sentences: str) -> str:
    """The sentences as one paragraph; nothing of none."""
    return f"<p>{escape(' '.join(sentences))}</p>" if sentences else ""


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def verdict(sentence: str, *, good: bool) -> str:
    """The sentence, to be seen at once."""
    return f'<p class="verdict {"good" if good else "bad"}">{escape(sentence)}</p>'


def tiles(figures: dict[str, Cell]) -> str:
    """The figures that are seen first, each with its name and a smaller line."""
    made = (
        f"<div><span>{escape(name)}</span><b>{escape(cell.text)}</b>"
        f"<small>{escape(cell.small)}</small></div>"
        for name, cell in figures.items()
    )
    return f'<div class="tiles">{"".join(made)}</div>'


def table(
    head: Sequence[str], body: Sequence[Sequence[str | Cell]], numbers: Sequence[int] = ()
) -> str:
    """A table whose first column heads its rows; `numbers` are the columns to align right."""

    def made(row: Sequence[str | Cell]) -> str:
        cells = [
            _cell("td" if i else "th", cell, head[i] if head and i else "", i in numbers)
            for i, cell in enumerate(row)
        ]
        return f"<tr>{''.join(cells)}</tr>\n"

    top = "".join(
        f'<th scope="col"{_classes("n" if i in numbers else "")}>{_breakable(text)}</th>'
        for i, text in enumerate(head)
    )
    header = f"<thead><tr>{top}</tr></thead>\n" if head else ""
    # Plain figures are short: four of them stand side by side on a phone.
    plain = all(isinstance(cell, str) for row in body for cell in row)
    kind = _classes(*(("cards", "dense" if plain else "") if len(head) > WIDE else ()))
    rows = "".join(made(row) for row in body)
    return f'<div class="scroll"><table{kind}>\n{header}<tbody>\n{rows}</tbody></table></div>'


def picture(label: str, png: bytes) -> str:
    image = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(label)}" src="data:image/png;base64,{image}"></figure>'


def _cell(tag: str, cell: str | Cell, label: str, number: bool) -> str:
    cell = Cell(cell) if isinstance(cell, str) else cell
    scope = ' scope="row"' if tag == "th" else ""
    name = f' data-label="{escape(label)}"' if label else ""
    kind = _classes("n" if number else "", cell.kind)
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    return f"<{tag}{scope}{name}{kind}>{_breakable(cell.text)}{small}</{tag}>"


def _classes(*names: str) -> str:
    found = " ".join(name for name in names if name)
    return f' class="{found}"' if found else ""


def _breakable(text: str) -> str:
    """A phone may break a long name after an underscore."""
    return escape(text).replace("_", "_<wbr>")


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: evaluation</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""

STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #111827; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { max-width: 44rem; overflow-wrap: anywhere; }
small { display: block; color: #6b7280; font-size: .78rem; font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .5rem; }
.tiles div { border: 1px solid #e5e7eb; border-radius: .5rem; padding: .5rem .75rem; }
.tiles b { display: block; font-size: 1.35rem; line-height: 1.3; }
.verdict { border-left: .3rem solid; padding: .4rem .8rem; font-weight: 600; max-width: none; }
.good { color: #166534; }
.bad { color: #b91c1c; }
.n.good, .n.bad { color: inherit; }
.n.good small { color: #166534; }
.n.bad small { color: #b91c1c; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; min-width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid #e5e7eb; }
th { font-weight: 600; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 0 0 1.5rem; }
img { width: 100%; max-width: 640px; height: auto; }
@media (max-width: 40rem) {
  .tiles { grid-template-columns: 1fr 1fr; }
  .cards thead { display: none; }
  .cards, .cards tbody { display: block; }
  .cards tr { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem .8rem;
    padding: .6rem 0; border-bottom: 1px solid #d1d5db; }
  .cards.dense tr { grid-template-columns: repeat(4, 1fr); }
  .cards small { font-size: .72rem; }
  .cards.dense td { display: flex; flex-direction: column; justify-content: space-between; }
  .cards th { grid-column: 1 / -1; }
  .cards th, .cards td { border: 0; padding: 0; text-align: left; white-space: normal; }
  .cards td::before { content: attr(data-label); display: block; color: #6b7280;
    font-size: .78rem; font-weight: 400; }
}
"""
