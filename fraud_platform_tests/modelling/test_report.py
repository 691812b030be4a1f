import base64
import re
from html.parser import HTMLParser

import msgspec
import polars as pl
import pytest
import xgboost as xgb

from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.plots import Caption, plot_all
from fraud_platform.modelling.report import Report, render
from fraud_platform.modelling.slices import by_slice
from fraud_platform.modelling.threshold import tune_threshold
from fraud_platform_tests.modelling.generated import TRAINING, split

VOID = {"meta", "img", "wbr"}


class Reader(HTMLParser):
    """Collects text and attributes, and fails on a tag that isn't closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def report(scored: pl.DataFrame, booster: xgb.Booster, costs: Costs) -> Report:
    chosen = tune_threshold(scored, TRAINING)
    caption = Caption(model="fraud_detector 12", period=str(split().test))
    return Report(
        model_name="fraud_detector",
        model_version="12",
        partition="2026-03-31",
        split=split(),
        threshold=chosen,
        metrics=evaluate(scored, chosen.value, costs),
        slices=by_slice(scored, chosen.value, costs),
        table_versions={"transaction_labels": 38, "transaction_features": 41},
        plots=plot_all(scored, chosen.value, costs, booster, caption),
    )


def test_the_page_names_the_model_its_windows_its_tables_and_its_threshold(report: Report) -> None:
    text = read(render(report)).text
    assert "fraud_detector 12" in text
    for days in report.split.parts.values():
        assert f"{days} ({days.days})" in text
    assert re.search(r"Table transaction_features\s*version 41", text)
    assert f"{report.threshold.value:.4f}: {report.threshold.reason}" in text


def test_every_metric_and_every_slice_is_in_the_tables(report: Report) -> None:
    text = read(render(report)).text
    for name in report.metrics.__struct_fields__:
        assert name in text
    assert f"{report.metrics.average_precision:.4f}" in text
    assert f"{report.metrics.money_saved / 100:,.2f}" in text
    for part in report.slices:
        assert f"{part.dimension}: {part.value}" in text


def test_the_page_needs_nothing_beside_itself(report: Report) -> None:
    page = render(report)
    attributes = read(page).attributes
    images = [value for name, value in attributes if name == "src"]
    found = [base64.b64decode(value.removeprefix("data:image/png;base64,")) for value in images]
    assert found == list(report.plots.values())
    assert not [value for name, value in attributes if name == "href"]
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "<script" not in page
    assert ("name", "viewport") in attributes


def test_what_comes_from_outside_is_escaped(report: Report) -> None:
    nasty = '<img src=x onerror="alert(1)">&{0}'
    page = render(
        msgspec.structs.replace(
            report,
            model_name=nasty,
            partition=nasty,
            table_versions={nasty: 1},
            threshold=msgspec.structs.replace(report.threshold, reason=nasty),
            slices=[msgspec.structs.replace(report.slices[0], value=nasty)],
            plots={nasty: b"png"},
        )
    )
    assert "<img src=x" not in page
    reader = read(page)
    assert reader.text.count(nasty) == 6
    assert ("alt", nasty) in reader.attributes


def test_a_slice_without_alerts_or_of_one_class_says_so(report: Report) -> None:
    bare = msgspec.structs.replace(
        report.slices[0], alerts=0, frauds=0, average_precision=None, money_saved=0
    )
    text = read(render(msgspec.structs.replace(report, slices=[bare]))).text
    assert all(words in text for words in ("no alert", "no fraud", "one class"))
