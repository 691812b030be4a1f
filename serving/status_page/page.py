"""The page, put together part by part."""

from collections.abc import Iterator

from fraud_platform.monitoring.attention import Concern
from fraud_platform.monitoring.words import counted, shown
from serving.status_page import days, drift, hour, quality, rest
from serving.status_page.html import Html, el
from serving.status_page.style import STYLE
from serving.status_page.view import View

_RUNBOOK = "docs/monitoring.md"
REFRESH_S = 60


def page(view: View) -> Iterator[str]:
    """The page's text in parts, none of which takes long to make."""
    found = view.concerns
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{_verdict(found)} · PredictFlow"),
        el("link", rel="icon", href="data:,"),
        el("style", Html(STYLE)),
    )
    yield f'<!doctype html>\n<html lang="en">{head}<body>'
    yield el("a", "Skip to the figures", class_="skip", href="#figures")
    yield el("header", el("h1", "PredictFlow status"), el("p", _again(view)))
    yield '<main id="figures" tabindex="-1">'
    yield attention(found)
    yield hour.tiles(view)
    yield hour.hour(view)
    if view.figures is not None:
        yield days.days(view, view.figures)
        yield from drift.drift(view, view.figures)
        yield from quality.quality(view.figures)
        yield rest.gate(view.figures)
        yield rest.parity(view.figures)
        yield rest.runs(view.figures)
        yield rest.tables(view.figures)
    yield "</main>"
    yield el(
        "footer",
        el("p", "The same in a terminal: predictflow status. Measures for Prometheus: /metrics."),
    )
    yield "</body></html>\n"


def attention(found: list[Concern]) -> Html:
    """What needs a person, or that nothing does."""
    if not found:
        sentence = el("p", "The service decides, and the platform is as it should be.")
        title = el("h2", "Nothing needs a person", id="attention")
        return el("section", title, sentence, class_="right", aria_labelledby="attention")
    listed = (
        el("li", one.says, el("small", f"{one.mend}. ({one.alert} in {_RUNBOOK})")) for one in found
    )
    title = el("h2", _verdict(found), id="attention")
    return el("section", title, el("ul", *listed), class_="wrong", aria_labelledby="attention")


def _verdict(found: list[Concern]) -> str:
    count = len(found)
    needs = "needs" if count == 1 else "need"
    return f"{counted(count, 'thing')} {needs} a person" if count else "Nothing needs a person"


def _again(view: View) -> Html:
    """When this was, and how to see what is now; by itself only for who asks for that."""
    at = el("span", f"As of {shown(view.now)}. ")
    if view.refresh:
        stop = el("a", f"stop asking every {view.refresh} s", href="/status")
        return el("span", at, el("span", stop, class_="again"))
    once = el("a", "Ask again", href="/status")
    each = el("a", "each minute", href=f"/status?refresh={REFRESH_S}")
    return el("span", at, el("span", once, " · ", each, class_="again"))
