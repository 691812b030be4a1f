import base64
import re
from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import polars as pl
import pytest

from fraud_platform.modelling.bootstrap import Entrant
from fraud_platform.modelling.calibration import Calibration
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.gate import Condition
from fraud_platform.modelling.plots import Caption, plot_all
from fraud_platform.modelling.record import EvaluationRecord, Interval, Rival, TrainingRecord
from fraud_platform.modelling.report import MEANINGS, Report, render
from fraud_platform.modelling.rivals import Contender, compare
from fraud_platform.modelling.split import DateRange
from fraud_platform.modelling.train import Trained
from fraud_platform.modelling.wording import rivals_table, shown, slices_table, span
from fraud_platform.propensity import Weighed
from fraud_platform_tests.modelling.generated import TRAINING, split

VOID = {"meta", "img", "wbr"}
NASTY = '<img src=x onerror="alert(1)">&{0}'


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


def replaced(report: Report, **changes: dict[str, object]) -> Report:
    """The report with fields of its records changed."""
    return msgspec.structs.replace(
        report,
        **{
            name: msgspec.structs.replace(getattr(report, name), **fields)
            for name, fields in changes.items()
        },
    )


@pytest.fixture(scope="module")
def report(dataset: Dataset, trained: Trained, record: TrainingRecord) -> Report:
    rows, value = trained.score(dataset.test), trained.threshold.value
    worse = rows.with_columns(score=pl.col("score") * pl.col("device_new").fill_null(0.5))
    found = compare(
        Entrant(rows=rows, threshold=value),
        costs_of(TRAINING),
        champion=Contender(rows=worse, threshold=value, model_version="11", sha256="ab" * 32),
        amount_rule=record.amount_rule,
        samples=60,
        seed=0,
    )
    caption = Caption(model="fraud_detector v12", period=str(split().test))
    return Report(
        model_name="fraud_detector",
        training=record,
        evaluation=EvaluationRecord(
            partition=record.partition,
            model_version="12",
            sha256="5e" * 32,
            metrics=found.metrics.as_dict(),
            intervals=found.intervals,
            slices=found.slices,
            rivals=found.rivals,
            uncalibrated={"brier": 0.12345, "expected_calibration_error": 0.2345},
        ),
        plots=plot_all(rows, value, costs_of(TRAINING), trained.booster, caption, worse),
    )


def test_the_page_names_the_model_its_windows_its_tables_and_its_trees(report: Report) -> None:
    text = read(render(report)).text
    assert "fraud_detector v12" in text
    for days in report.training.split.parts.values():
        assert f"{days} ({days.days})" in text
    assert re.search(r"Table transaction_features\s*version 41", text)
    assert re.search(r"Gap\s*none", text)
    assert f"{report.training.rounds} of at most {TRAINING.trees}" in text
    assert re.search(r"Learning rate\s*0\.1", text)


def test_a_gap_a_random_split_and_no_validation_days_are_told(report: Report) -> None:
    made = split()
    gap = DateRange(made.fit.end - timedelta(days=2), made.fit.end)
    shorter = DateRange(made.fit.start, gap.start)
    gapped = msgspec.structs.replace(made, fit=shorter)
    text = read(render(replaced(report, training={"split": gapped}))).text
    assert f"{gap} (2): nobody uses them" in text
    drawn = msgspec.structs.replace(made, validation=made.fit, random=True)
    text = read(render(replaced(report, training={"split": drawn}))).text
    assert f"drawn at random from {made.fit} ({made.fit.days})" in text
    nothing = DateRange(made.test.start, made.test.start)
    bare = msgspec.structs.replace(
        made, fit=DateRange(made.fit.start, made.test.start), validation=nothing
    )
    text = read(render(replaced(report, training={"split": bare}))).text
    assert re.search(r"Validation days\s*none", text)


def test_every_metric_has_its_interval_and_every_slice_the_champions_figure(
    report: Report,
) -> None:
    text = read(render(report)).text
    evaluation = report.evaluation
    assert set(MEANINGS) == set(evaluation.metrics)
    for name, value in evaluation.metrics.items():
        between = span(name, evaluation.intervals.get(name))
        told = re.escape(MEANINGS[name] + shown(name, value) + between)
        assert re.search(rf"{name}\s*{told}", text), name
    champion = evaluation.rivals[0]
    for mine, theirs in zip(evaluation.slices, champion.slices, strict=True):
        both = [
            "one class" if one.average_precision is None else f"{one.average_precision:.3f}"
            for one in (mine, theirs)
        ]
        row = rf"{re.escape(f'{mine.dimension}: {mine.value}')}[^a-z]*{both[0]}\s*{both[1]}"
        assert re.search(row, text) or mine.alerts == 0 or mine.frauds == 0
    assert "merchant age: over 7 days" in text


def test_the_rivals_stand_beside_the_model_with_its_gains(report: Report) -> None:
    reader = read(render(report))
    for name in ("Champion v11", "Never fraud"):
        assert name in reader.text
    assert report.training.amount_rule is not None
    limit = report.training.amount_rule.value * 1e6
    assert f"Amount over {limit:,.2f}" in reader.text
    champion = report.evaluation.rivals[0]
    found = champion.gain["average_precision"]
    more = report.evaluation.metrics["average_precision"] - champion.metrics["average_precision"]
    assert f"{more:+.3f} ({found.low:.3f} to {found.high:.3f})" in reader.text
    assert "has no ranking" in reader.text
    # On a phone, where the head is not shown, each cell says whose it is.
    assert ("data-label", "Champion v11") in reader.attributes


def test_gains_are_coloured_only_where_the_whole_interval_is_on_one_side(report: Report) -> None:
    (first, *_) = report.evaluation.rivals

    def classes(low: float, high: float) -> set[str]:
        rival: Rival = msgspec.structs.replace(
            first, gain={"average_precision": Interval(low=low, high=high)}
        )
        page = render(replaced(report, evaluation={"rivals": [rival]}))
        found = {value for name, value in read(page).attributes if name == "class"}
        return found & {"n good", "n bad"}

    assert classes(0.01, 0.02) == {"n good"}
    assert classes(-0.02, -0.01) == {"n bad"}
    assert classes(-0.01, 0.02) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold_by": "cost", "min_precision": 0.5}, "at least 50% of the alerts had to be"),
        ({"threshold_by": "cost", "missed_fraud_fee": 12.5}, "costs its amount and 12.50"),
        (
            {"threshold_by": "precision", "threshold_wished": 0.9},
            "at least 90.0% of the alerts right",
        ),
        ({"threshold_by": "recall", "threshold_wished": 0.8}, "80.0% of the frauds caught"),
        ({"threshold_by": "alerts", "threshold_wished": 1200}, "most suspicious 1,200 payments"),
        ({"threshold_by": "fixed", "threshold_fixed": 0.7}, "Fixed at 0.7"),
    ],
)
def test_the_threshold_is_told_in_words(
    report: Report, changes: dict[str, object], expected: str
) -> None:
    asked = msgspec.structs.replace(TRAINING, **changes)
    text = read(render(replaced(report, training={"training": asked}))).text
    assert f"over {report.training.threshold.value:.4f} is called fraud" in text
    assert expected in text


def test_a_threshold_that_could_not_be_chosen_says_why(report: Report) -> None:
    fixed = msgspec.structs.replace(
        report.training.threshold, tuned=False, reason="all rows have the same score"
    )
    text = read(render(replaced(report, training={"threshold": fixed}))).text
    assert "It could not be chosen so: all rows have the same score." in text


def test_calibration_is_shown_before_and_after(report: Report) -> None:
    text = read(render(report)).text
    metrics = report.evaluation.metrics
    assert re.search(rf"Brier score\s*0\.12345\s*{metrics['brier']:.5f}", text)
    after = metrics["expected_calibration_error"]
    assert re.search(rf"Calibration error\s*0\.2345\s*{after:.4f}", text)
    bare = read(render(replaced(report, training={"calibration": None}))).text
    assert "not calibrated" in bare
    assert "Brier score" not in bare


def test_a_champion_that_flatters_itself_or_is_missing_is_told(report: Report) -> None:
    (champion, *others) = report.evaluation.rivals

    def text(**changes: object) -> str:
        return read(render(replaced(report, evaluation=changes))).text

    flattered: Rival = msgspec.structs.replace(champion, seen="2026-03-22")
    assert "v11 was fitted on 2026-03-22 of the test days: it had seen the answers" in text(
        rivals=[flattered]
    )
    assert "v11 is this very model" in text(sha256=champion.sha256)
    assert "There is no champion yet." in text(rivals=others)
    broken = text(rivals=others, incomparable="the live model can't be read")
    assert "Not compared with the champion: the live model can't be read." in broken
    assert "no champion yet" not in broken
    assert "Champion's" not in broken


def conditions(*, passed: bool) -> list[Condition]:
    return [
        Condition("better", "0.71", "over 0.70", True, "Its average precision is better."),
        Condition("parity", "0.2", "0", passed, "Features differ online and offline."),
    ]


def test_the_gates_verdict_reads_as_a_sentence_with_every_condition(report: Report) -> None:
    assert "Promotion" not in read(render(report)).text
    refused = read(render(msgspec.structs.replace(report, gate=conditions(passed=False))))
    assert "Refused: 1 of 2 conditions failed." in refused.text
    # What failed comes first.
    assert re.search(r"failed\.[\sA-Z][a-zA-Z\s]*parity\s*Features differ", refused.text)
    assert ("class", "verdict bad") in refused.attributes
    passed = read(render(msgspec.structs.replace(report, gate=conditions(passed=True))))
    assert "Passed all 2 conditions." in passed.text
    for one in conditions(passed=True):
        assert all(part in passed.text for part in (one.name, one.figure, one.limit, one.sentence))
    assert ("class", "verdict good") in passed.attributes


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
    page = render(
        msgspec.structs.replace(
            replaced(
                report,
                training={
                    "partition": NASTY,
                    "table_versions": {NASTY: 1},
                    "threshold": msgspec.structs.replace(
                        report.training.threshold, tuned=False, reason=NASTY
                    ),
                },
                evaluation={
                    "slices": [msgspec.structs.replace(report.evaluation.slices[0], value=NASTY)],
                    "rivals": [],
                    "incomparable": NASTY,
                },
            ),
            model_name=NASTY,
            plots={NASTY: b"png"},
            gate=[Condition(NASTY, NASTY, NASTY, False, NASTY)],
        )
    )
    assert "<img src=x" not in page
    reader = read(page)
    # Title and heading, partition, table, reason, slice, incomparable; of the condition all four.
    assert reader.text.count(NASTY) == 11
    assert ("alt", NASTY) in reader.attributes


def test_a_slice_without_alerts_or_of_one_class_says_so(report: Report) -> None:
    bare = msgspec.structs.replace(
        report.evaluation.slices[0], alerts=0, frauds=0, average_precision=None, money_saved=0
    )
    text = read(render(replaced(report, evaluation={"slices": [bare]}))).text
    assert all(words in text for words in ("no alert", "no fraud", "one class"))


def test_the_comparison_reads_in_markdown_too(report: Report) -> None:
    table = rivals_table(report.training, report.evaluation)
    head, rule, *body = table.split("\n\n")[0].splitlines()
    assert "more than: Champion v11" in head
    assert len({line.count("|") for line in (head, rule, *body)}) == 1
    assert [line.split("|")[1].strip() for line in body][:2] == [
        "money_saved",
        "card_precision_100",
    ]
    slices = slices_table(report.evaluation)
    assert len(slices.splitlines()) == 2 + len(report.evaluation.slices)


@pytest.mark.parametrize(
    ("name", "value", "sign", "expected"),
    [
        ("money_saved", 12345.67, "", "12,346"),
        ("average_precision", 0.69449, "", "0.694"),
        ("accuracy", 0.99234, "", "0.9923"),
        ("average_precision", -0.0312, "+", "-0.031"),
        ("average_precision", -0.00004, "+", "+0.000"),
        ("money_saved", -0.2, "+", "+0"),
    ],
)
def test_figures_read_as_figures_do(name: str, value: float, sign: str, expected: str) -> None:
    assert shown(name, value, sign) == expected


def test_a_calibration_is_told_with_its_figures(report: Report) -> None:
    bent = Calibration(a=1.25, b=0.5, c=-3)
    text = read(render(replaced(report, training={"calibration": bent}))).text
    assert "a = 1.250, b = 0.500, c = -3.000" in text


def test_the_page_says_how_rows_were_weighed_where_some_were_let_pass(report: Report) -> None:
    weighed = Weighed(passed=31, counted=3_100, blocked=3_049, over_limit=1_200)
    told = render(replaced(report, evaluation={"weighed": weighed}))
    assert "31 of the rows count 3,100 times together" in told
    assert "3,049 that were blocked and are left out, as are 1,200 over the limit" in told
    assert "let pass" not in render(report)
