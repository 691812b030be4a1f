"""`/status`: what it says of a full platform, an empty one and a damaged file, and to whom."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import msgspec
import pytest
from msgspec.structs import replace

from fraud_platform.contracts.monitoring import DayState, Figures, LiveModel
from fraud_platform.settings import Drift, Settings
from fraud_platform_tests.monitoring.figured import figures_at
from fraud_platform_tests.serving.parts import Client, Deploy, Start
from serving.health import Ready
from serving.status_page.page import page
from serving.status_page.view import View

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


class Text(HTMLParser):
    """The texts of a page, its elements, and whether each is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def view_of(figures: Figures | None, **changes: object) -> View:
    ready = Ready(ready=True, reasons=[], model_version="12", partition="2026-03-28")
    said = {"now": NOW, "ready": ready, "minutes": [None] * 60, "drift": Drift()}
    return View(figures=figures, **said | changes)  # type: ignore[arg-type]


def shown(figures: Figures | None, **changes: object) -> Text:
    return Text("".join(page(view_of(figures, **changes))))


def keep(settings: Settings, figures: Figures) -> None:
    settings.figures_file.parent.mkdir(parents=True, exist_ok=True)
    settings.figures_file.write_bytes(msgspec.json.encode(figures))


def test_a_month_is_shown_with_what_needs_a_person(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings)
    figures = figures_at()
    keep(settings, figures)
    with start(settings) as client:
        client.post("/predict", json=transaction)
        answer = client.get("/status")
    found = Text(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    newest = figures.days[-1].day
    for expected in (
        "6 things need a person",
        f"Failed: {figures.days[-5].day} (run 5c3f9a0e)",
        f"Not made: {figures.days[-10].day}",
        f"{newest} is not like the training: amount, amount_log, hour_of_day",
        "amount: twice as many above 400.00",
        "it refused v13 of",
        "average precision 0.704 is not over the champion's 0.712",
        "This service answers with v1, and v12 is live",
        "The last 30 days: 28 made, 1 failed, 1 missing.",
        "99.10 % of 8,012 served vectors",
        "by dagster: better on average precision",
        "Its rows",
    ):
        assert expected in found.text
    charts = [tag for tag, _ in found.elements if tag == "svg"]
    assert len(charts) == 2 + len(figures.drift[-1].distances) + 6
    assert sum(tag == "desc" for tag, _ in found.elements) == len(charts)
    assert 'class="bar marked"' in answer.text


def test_an_empty_platform_is_told_how_to_begin(settings: Settings, start: Start) -> None:
    keep(settings, Figures(at=datetime.now(UTC).isoformat()))
    with start(settings) as client:
        found = Text(client.get("/status").text)

    assert "Nothing was landed yet, and no model is live" in found.text
    assert "predictflow ingest FILES" in found.text
    assert "This service: no model is in service" in found.text
    for nothing in ("No day was made yet", "No day was held against", "No model was judged yet"):
        assert nothing in found.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "figures.json is not there"),
        (b'{"at": "2026-03-3', "is damaged: Input data was truncated"),
        (b'{"at": 7}', "is damaged: Expected `str`, got `int`"),
        (b"\xff\xfe", "is damaged"),
        (b'{"at": "just now"}', "The figures say they are of 'just now', which is no moment"),
        (b'{"at": "2026-03-01T00:00:00Z"}', "The platform's figures are"),
    ],
)
def test_figures_that_cannot_be_gone_by_are_said_and_what_to_start(
    settings: Settings, deploy: Deploy, start: Start, content: bytes | None, says: str
) -> None:
    deploy(settings)
    if content is not None:
        keep(settings, Figures(at=""))
        settings.figures_file.write_bytes(content)
    with start(settings) as client:
        answer = client.get("/status")

    assert answer.status_code == 200
    assert says in Text(answer.text).text.replace("&#x27;", "'")
    assert "Start Dagster with its daemon" in answer.text
    assert "v1" in answer.text  # of the service itself all is shown


def test_a_file_that_is_mended_is_followed(
    settings: Settings, deploy: Deploy, start: Start
) -> None:
    deploy(settings)
    with start(settings) as client:
        missing = client.get("/status").text
        keep(settings, figures_at())
        there = client.get("/status").text

    assert "is not there" in missing
    assert "is not there" not in there
    assert "28 made" in there


@pytest.mark.parametrize(
    ("age", "stale"), [(9, False), (11, True), (-11, True)], ids=["fresh", "old", "ahead"]
)
def test_figures_older_than_ten_minutes_have_a_banner(age: int, stale: bool) -> None:
    found = shown(figures_at(NOW - timedelta(minutes=age - 1)))

    assert ("The platform's figures are" in found.text) == stale


EVIL = '"><script>alert(1)</script>'


def test_whatever_stands_in_the_figures_is_no_markup() -> None:
    figures = figures_at(NOW)
    drift = [replace(one, findings=[EVIL], unjudged="") for one in figures.drift]
    drift[-1] = replace(drift[-1], distances={EVIL: {"psi": 1.0}}, drifted=[EVIL])
    assert figures.gate is not None
    spoilt = replace(
        figures,
        days=[*figures.days, DayState(day=EVIL, state="failed", run_id=EVIL)],
        drift=drift,
        model=LiveModel(
            model_name=EVIL, model_version=EVIL, partition=EVIL, since=EVIL, who=EVIL, why=EVIL
        ),
        gate=replace(figures.gate, conditions={EVIL: False}, refusal=EVIL),
        below_floor=[EVIL],
    )
    text = "".join(page(view_of(spoilt, run_url="http://dagster", ready=Ready(ready=True))))

    assert "<script" not in text
    assert {tag for tag, _ in Text(text).elements}.isdisjoint({"script", "img", "iframe"})
    assert EVIL in Text(text).text


def test_a_run_is_linked_where_dagster_is_a_web_page(settings: Settings) -> None:
    linked = shown(figures_at(NOW), run_url="http://127.0.0.1:3000/")
    other = shown(figures_at(NOW), run_url="javascript:alert(1)")

    runs = [a["href"] for tag, a in linked.elements if tag == "a" and "/runs/" in (a["href"] or "")]
    assert runs == ["http://127.0.0.1:3000/runs/5c3f9a0e-1d52-4c7e-9a40-b1f2"]
    assert "javascript" not in str(other.elements)


def test_headings_are_in_order_and_every_name_is_there_once() -> None:
    found = shown(figures_at(NOW))
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    names = [a["id"] for _, a in found.elements if "id" in a]

    assert levels == [1] + [2] * (len(levels) - 1)
    assert len(names) == len(set(names))
    assert {a["aria-labelledby"] for _, a in found.elements if "aria-labelledby" in a} <= {*names}
    assert ("html", {"lang": "en"}) in found.elements
    assert ("a", {"class": "skip", "href": "#figures"}) in found.elements


def test_the_policy_allows_the_one_style_and_nothing_else(
    settings: Settings, deploy: Deploy, start: Start
) -> None:
    deploy(settings)
    keep(settings, figures_at())
    with start(settings) as client:
        answer = client.get("/status")
    policy = answer.headers["content-security-policy"]
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
    ]
    assert "unsafe" not in policy
    found = Text(answer.text)
    assert not [a for _, a in found.elements if "style" in a or any(n.startswith("on") for n in a)]
    sources = {a.get("src") or a.get("href") for tag, a in found.elements if tag != "a"} - {None}
    assert sources == {"data:,"}
    assert "refresh" not in answer.headers


@pytest.mark.parametrize(
    ("given", "status"),
    [
        *(("60", 200), ("5", 200), ("3600", 200), ("4", 400), ("3601", 400), ("-5", 400)),
        *(("٦٠", 400), ("", 400), ("1e3", 400), ("9" * 5_000, 400)),
    ],
)
def test_it_asks_again_by_itself_only_for_who_says_so(
    client: Client, given: str, status: int
) -> None:
    answer = client.get("/status", params={"refresh": given})

    assert answer.status_code == status
    assert answer.headers.get("refresh") == (given if status == 200 else None)


def test_the_loop_is_held_for_no_part_of_a_full_page_for_long() -> None:
    parts = list(page(view_of(figures_at(NOW))))

    # None is more than one chart of a feature, or one table, of all.
    assert len(parts) > 40
    assert max(map(len, parts)) < 0.25 * sum(map(len, parts))
