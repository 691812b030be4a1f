from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.errors import UnavailableError
from fraud_platform.modelling.backtest import SHOWN, Backtested, Untrained, backtest, mean, sized
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.evaluate import evaluate
from fraud_platform.modelling.split import DateRange, plan_split
from fraud_platform.modelling.train import train
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.conftest import Prepared, by_day
from fraud_platform_tests.modelling.generated import (
    DAY,
    LABELS,
    TRAINING,
    feature_rows,
    split,
    window_rows,
)

DAYS = [DAY + timedelta(days=i) for i in range(3)]
Labelled = Iterable[tuple[date, pl.DataFrame]]
SIZES = st.none() | st.integers(1, 20)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Rows of the windows of DAYS but for the last one's last day."""
    return feature_rows(split().window.start, TRAINING.window_days + 1)


@pytest.fixture(scope="module")
def found(
    rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> list[Backtested | Untrained]:
    def labelled(days: DateRange, known_by: date) -> Labelled:
        assert known_by in DAYS
        return by_day(rows, days.start, days.end)

    return list(backtest(DAYS, labelled, LABELS, TRAINING, tmp_path_factory.mktemp("matrices")))


def test_a_days_figures_are_those_of_training_and_evaluation(
    found: list[Backtested | Untrained], prepared: Prepared, rows: pl.DataFrame
) -> None:
    data = prepared(rows)
    trained = train(data, TRAINING)
    metrics = evaluate(trained.score(data.test), trained.threshold.value, costs_of(TRAINING))
    first = found[0]
    assert isinstance(first, Backtested)
    assert first.metrics == metrics.as_dict()
    assert first.threshold == trained.threshold.value
    assert first.rounds == trained.booster.num_boosted_rounds()
    assert (first.fit, first.test) == (split().fit, split().test)


def test_a_day_that_cannot_be_trained_says_why_and_the_others_go_on(
    found: list[Backtested | Untrained],
) -> None:
    assert [type(one) for one in found] == [Backtested, Backtested, Untrained]
    assert [one.day for one in found] == DAYS
    last = found[2]
    assert isinstance(last, Untrained)
    missing = plan_split(DAYS[2], LABELS, TRAINING).test.last
    assert f"have no rows: {missing}" in last.reason


def test_a_store_that_is_away_ends_the_backtest(tmp_path: Path) -> None:
    def away(days: DateRange, known_by: date) -> Labelled:
        raise UnavailableError("the lake is away")

    with pytest.raises(UnavailableError, match="away"):
        list(backtest(DAYS, away, LABELS, TRAINING, tmp_path))


def test_no_matrix_is_left(tmp_path: Path) -> None:
    rows = window_rows()
    (one,) = backtest(
        [DAY], lambda days, _: by_day(rows, days.start, days.end), LABELS, TRAINING, tmp_path
    )
    assert isinstance(one, Backtested)
    assert list(tmp_path.iterdir()) == []


def test_a_row_is_flat_and_the_mean_is_of_its_numbers(found: list[Backtested | Untrained]) -> None:
    tested = [one for one in found if isinstance(one, Backtested)]
    rows = [one.row() for one in tested]
    assert list(rows[0]) == [
        *("day", "fit", "test", *SHOWN, "threshold", "rounds", "rows", "frauds", "seconds")
    ]
    means = mean(tested)
    assert set(rows[0]) - set(means) == {"day", "fit", "test"}
    assert means["recall"] == pytest.approx(sum(one.metrics["recall"] for one in tested) / 2)
    unknown = [msgspec.structs.replace(one, seconds=None) for one in tested]
    assert set(means) - set(mean(unknown)) == {"seconds"}


@given(train_days=SIZES, delay_days=SIZES, validation_days=SIZES, test_days=SIZES)
@pytest.mark.parametrize("kind", ["time", "random"])
def test_the_window_has_the_parts_asked_for_and_the_settings_others(
    kind: str,
    train_days: int | None,
    delay_days: int | None,
    validation_days: int | None,
    test_days: int | None,
) -> None:
    training = msgspec.convert({"split": kind, "gap_days": 2}, Training)
    given = plan_split(DAY, LABELS, training)
    changed = sized(
        training,
        train_days=train_days,
        delay_days=delay_days,
        validation_days=validation_days,
        test_days=test_days,
    )
    made = plan_split(DAY, LABELS, changed)
    assert made.fit.days == (train_days or given.fit.days)
    assert made.test.days == (test_days or given.test.days)
    assert changed.gap_days == (delay_days or 2)
    assert changed.validation_days == (validation_days or training.validation_days)
    between = made.test.start - made.fit.end
    assert between.days == changed.gap_days + changed.validation_days * (kind == "time")
