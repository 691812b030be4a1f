import base64
import re
from datetime import date, timedelta

import msgspec
import pytest

from fraud_platform.modelling.backtest import SHOWN, Backtested, Untrained
from fraud_platform.modelling.backtest_page import Backtest, plot, render
from fraud_platform.modelling.split import DateRange
from fraud_platform_tests.modelling.test_report import read

FIRST = date(2026, 3, 1)
NASTY = '<img src=x onerror="alert(1)">&{0}'


def a_day(number: int) -> Backtested:
    day = FIRST + timedelta(days=number)
    shares = dict.fromkeys(SHOWN, 0.5 + number / 100)
    return Backtested(
        day=day,
        fit=DateRange(day - timedelta(days=20), day - timedelta(days=10)),
        test=DateRange(day - timedelta(days=10), day - timedelta(days=7)),
        metrics=shares | {"money_saved": 1234.5, "rows": 400.0, "frauds": 20.0},
        threshold=0.25,
        rounds=80,
        seconds=1.5,
    )


@pytest.fixture(scope="module")
def found() -> Backtest:
    absent = Untrained(day=FIRST + timedelta(days=2), reason=NASTY)
    return Backtest(days=[a_day(0), a_day(1), absent, a_day(3)], about=NASTY)


def test_the_page_has_the_means_a_row_a_day_and_the_reasons(found: Backtest) -> None:
    text = read(render(found, b"png")).text
    assert "Backtest 2026-03-01 to 2026-03-04" in text
    assert "average precision0.513mean of 3 days" in text  # of 0.50, 0.51 and 0.53
    for one in found.tested:
        assert f"{one.day}" in text
        assert f"{one.test}" in text
    assert text.count("1,234.50") == 3
    assert text.count(NASTY) == 2


def test_the_page_needs_nothing_beside_itself(found: Backtest) -> None:
    picture = plot(found)
    page = render(found, picture)
    attributes = read(page).attributes
    (image,) = [value for name, value in attributes if name == "src"]
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")) == picture
    assert not [value for name, value in attributes if name == "href"]
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "<script" not in page
    assert ("name", "viewport") in attributes
    assert "<img src=x" not in page


def test_equal_days_are_equal_bytes_and_another_figure_is_another_picture(found: Backtest) -> None:
    picture = plot(found)
    assert picture.startswith(b"\x89PNG")
    assert plot(found) == picture
    assert plot(Backtest(days=[a_day(0), a_day(1), a_day(3)], about="")) != picture


def test_one_day_is_drawn_too() -> None:
    assert plot(Backtest(days=[a_day(0)], about="")).startswith(b"\x89PNG")


def test_days_of_the_registry_have_no_seconds_to_show() -> None:
    day = a_day(0)
    assert "seconds" in render(Backtest(days=[day], about=""), b"png")
    recorded = msgspec.structs.replace(day, seconds=None)
    assert "seconds" not in render(Backtest(days=[recorded], about=""), b"png")
