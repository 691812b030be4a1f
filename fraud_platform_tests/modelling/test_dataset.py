from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import Dataset, matrix_of, prepare
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import LABELS, TRAINING, split, window_rows

SPLIT = split()
FIRST = SPLIT.window.start


def prepared(rows: pl.DataFrame, training: Training = TRAINING) -> Dataset:
    return prepare(rows, SPLIT, LABELS, training)


def on(day: date) -> pl.Expr:
    return pl.col("event_date") == day


def set_where(rows: pl.DataFrame, where: pl.Expr, **values: object) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(where)
        .then(pl.lit(value))
        .otherwise(pl.col(name))
        .cast(rows.schema[name])
        .alias(name)
        for name, value in values.items()
    )


def test_each_part_holds_the_rows_of_its_days_in_an_order_of_its_own() -> None:
    rows = window_rows()
    whole, shuffled = prepared(rows), prepared(rows.sample(fraction=1, shuffle=True, seed=3))
    for name, days in SPLIT.parts.items():
        part, other = getattr(whole, name), getattr(shuffled, name)
        assert part.rows["event_date"].min() == days.start
        assert part.rows["event_date"].max() == days.last
        assert part.rows.equals(other.rows)
        np.testing.assert_array_equal(part.matrix, other.matrix)
        np.testing.assert_array_equal(part.is_fraud, other.is_fraud)


def test_the_matrix_is_float32_in_catalogue_order_with_nan_for_null(dataset: Dataset) -> None:
    part = dataset.fit
    assert part.matrix.dtype == np.float32
    assert part.matrix.flags.c_contiguous
    assert part.features == FEATURE_NAMES
    for i, name in enumerate(FEATURE_NAMES):
        expected = part.rows[name].to_numpy().astype(np.float32)
        np.testing.assert_array_equal(part.matrix[:, i], expected)
    missing = part.rows["time_since_last_tx"].null_count()
    column = FEATURE_NAMES.index("time_since_last_tx")
    assert missing > 0
    assert np.isnan(part.matrix[:, column]).sum() == missing


def test_days_outside_the_window_and_rows_without_a_label_are_left_out() -> None:
    rows = window_rows()
    before = rows.head(50).with_columns(pl.lit(FIRST - timedelta(days=1)).alias("event_date"))
    unlabelled = pl.col("transaction_id") == rows["transaction_id"][0]
    made = prepared(set_where(pl.concat([before, rows]), unlabelled, is_fraud=None))
    assert made.fit.rows.height == rows.filter(pl.col("event_date") < SPLIT.fit.end).height - 1


def test_days_without_rows_are_named_with_the_command_that_makes_them() -> None:
    gone = [FIRST + timedelta(days=i) for i in (1, 2, 4)]
    rows = window_rows().filter(~pl.col("event_date").is_in(gone))
    with pytest.raises(TrainingRefused) as refusal:
        prepared(rows)
    text = str(refusal.value)
    assert f"3 of the 10 days of the training window {SPLIT.window} have no rows" in text
    assert f"{gone[0]} to {gone[1]}, {gone[2]}." in text
    assert (
        f"`predictflow materialize --from {gone[0]} --to {gone[2]} "
        "--select raw_transactions,transaction_labels,transaction_features`"
    ) in text


def test_no_rows_at_all_names_the_whole_window() -> None:
    with pytest.raises(TrainingRefused, match=rf"10 of the 10 days .* no rows: {SPLIT.window}\."):
        prepared(window_rows().clear())


def test_the_first_day_with_too_few_labels_is_named_with_its_share_and_maturity() -> None:
    rows = window_rows(per_day=400)
    first, second = FIRST + timedelta(days=3), FIRST + timedelta(days=5)
    numbered = pl.int_range(pl.len()).over("event_date")
    rows = set_where(rows, (on(first) | on(second)) & (numbered < 100), is_fraud=None)
    mature = first + timedelta(days=LABELS.maturity_days)
    with pytest.raises(TrainingRefused) as refusal:
        prepared(rows)
    text = str(refusal.value)
    assert f"on {first} 300 of 400 transactions (75.0%) have a label" in text
    assert "min_label_share asks for 95.0% (2 of the window's days have fewer)" in text
    assert f"from {mature} on" in text
    assert (
        f"`predictflow materialize --from {first} --to {mature} --select transaction_labels`"
        in text
    )


def test_a_share_of_labels_just_at_the_limit_is_enough() -> None:
    numbered = pl.int_range(pl.len()).over("event_date")
    rows = set_where(window_rows(per_day=400), on(FIRST) & (numbered < 20), is_fraud=None)
    prepared(rows)
    more = set_where(rows, on(FIRST) & (numbered < 21), is_fraud=None)
    with pytest.raises(TrainingRefused, match=r"379 of 400 transactions \(94\.8%\)"):
        prepared(more)


@pytest.mark.parametrize("name", ["fit", "validation", "test"])
@pytest.mark.parametrize("verdict", [True, False])
def test_a_part_of_one_class_is_named_with_its_days_and_count(name: str, verdict: bool) -> None:
    days = SPLIT.parts[name]
    inside = pl.col("event_date").is_between(days.start, days.end, closed="left")
    rows = set_where(window_rows(), inside, is_fraud=verdict)
    count = days.days * 400
    with pytest.raises(TrainingRefused) as refusal:
        prepared(rows)
    text = str(refusal.value)
    frauds = count if verdict else 0
    assert f"the {name} part of the training window ({days})" in text
    assert f"has {frauds:,} frauds among {count:,} labelled transactions" in text
    assert "training.window_days" in text
    assert f"--from {days.start} " in text


def test_a_missing_and_a_mistyped_column_are_both_named() -> None:
    rows = window_rows().drop("amount_log").with_columns(pl.col("device_new").cast(pl.Float32))
    with pytest.raises(
        TrainingRefused, match="amount_log is missing; device_new is Float32, not Float64"
    ):
        prepared(rows)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e39])
def test_a_feature_that_is_not_finite_as_float32_is_named_with_its_first_row(value: float) -> None:
    rows = window_rows()
    last, early = rows["transaction_id"][-1], rows["transaction_id"][7]
    faulty = pl.col("transaction_id").is_in([last, early])
    with pytest.raises(TrainingRefused) as refusal:
        prepared(set_where(rows, faulty, user_total_amount_24h=value))
    text = str(refusal.value)
    assert "feature user_total_amount_24h isn't finite in 2 of 4,000 rows" in text
    assert f"transaction {early}: {value}" in text


def test_a_transaction_that_the_join_repeats_is_refused() -> None:
    rows = window_rows()
    with pytest.raises(TrainingRefused, match=rf"on {FIRST} 2 training rows repeat a transaction"):
        prepared(pl.concat([rows, rows.head(2)]))


def test_the_matrix_of_one_row_is_that_row_of_the_matrix(dataset: Dataset) -> None:
    np.testing.assert_array_equal(matrix_of(dataset.test.rows[5]), dataset.test.matrix[5:6])
