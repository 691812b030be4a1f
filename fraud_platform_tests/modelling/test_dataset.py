from datetime import date, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.dataset import KEPT, SLICED, Dataset, matrix_of
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.propensity import Weighed
from fraud_platform_tests.modelling.conftest import Prepared
from fraud_platform_tests.modelling.generated import LABELS, TRAINING, split, window_rows

SPLIT = split()
FIRST = SPLIT.window.start


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


def test_each_part_holds_the_rows_of_its_days_in_an_order_of_its_own(prepared: Prepared) -> None:
    rows = window_rows()
    whole, shuffled = prepared(rows), prepared(rows.sample(fraction=1, shuffle=True, seed=3))
    for name, days in SPLIT.parts.items():
        part, other = getattr(whole, name), getattr(shuffled, name)
        assert part.rows["event_date"].min() == days.start
        assert part.rows["event_date"].max() == days.last
        assert part.rows.equals(other.rows)
        np.testing.assert_array_equal(part.matrix, other.matrix)
        np.testing.assert_array_equal(part.is_fraud, other.is_fraud)


def test_chunks_hold_the_features_that_are_asked_for_in_their_order(dataset: Dataset) -> None:
    part = dataset.fit
    wanted = ["device_new", "amount"]
    found = np.concatenate(list(part.chunks(1000, wanted)))
    columns = [FEATURE_NAMES.index(name) for name in wanted]
    np.testing.assert_array_equal(found, part.matrix[:, columns])


def test_the_matrix_is_float32_in_catalogue_order_with_nan_for_null(dataset: Dataset) -> None:
    part = dataset.fit
    assert part.matrix.dtype == np.float32
    assert part.matrix.flags.c_contiguous
    assert part.features == FEATURE_NAMES
    assert part.rows.columns == [*KEPT, *SLICED]
    rows = window_rows().filter(pl.col("event_date") < SPLIT.fit.end)
    rows = rows.sort("event_date", "transaction_id")
    for i, name in enumerate(FEATURE_NAMES):
        expected = rows[name].to_numpy().astype(np.float32)
        np.testing.assert_array_equal(part.matrix[:, i], expected)
    missing = rows["time_since_last_tx"].null_count()
    column = FEATURE_NAMES.index("time_since_last_tx")
    assert missing > 0
    assert np.isnan(part.matrix[:, column]).sum() == missing


def test_days_outside_the_window_and_rows_without_a_label_are_left_out(prepared: Prepared) -> None:
    rows = window_rows()
    before = rows.head(50).with_columns(pl.lit(FIRST - timedelta(days=1)).alias("event_date"))
    unlabelled = pl.col("transaction_id") == rows["transaction_id"][0]
    made = prepared(set_where(pl.concat([before, rows]), unlabelled, is_fraud=None))
    assert made.fit.rows.height == rows.filter(pl.col("event_date") < SPLIT.fit.end).height - 1


def test_days_without_rows_are_named_with_the_command_that_makes_them(prepared: Prepared) -> None:
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


def test_no_rows_at_all_names_the_whole_window(prepared: Prepared) -> None:
    with pytest.raises(TrainingRefused, match=rf"10 of the 10 days .* no rows: {SPLIT.window}\."):
        prepared(window_rows().clear())


def test_the_first_day_with_too_few_labels_is_named_with_its_share_and_maturity(
    prepared: Prepared,
) -> None:
    rows = window_rows(per_day=400)
    first, second = FIRST + timedelta(days=3), FIRST + timedelta(days=5)
    numbered = pl.int_range(pl.len()).over("event_date")
    rows = set_where(rows, (on(first) | on(second)) & (numbered < 100), is_fraud=None)
    mature = first + timedelta(days=LABELS.maturity_days)
    with pytest.raises(TrainingRefused) as refusal:
        prepared(rows)
    text = str(refusal.value)
    assert f"on {first} 300 of 400 transactions (75.0%) have a label" in text
    assert "min_label_share asks for 95.0%" in text
    assert f"from {mature} on" in text
    assert (
        f"`predictflow materialize --from {first} --to {mature} --select transaction_labels`"
        in text
    )


def test_a_share_of_labels_just_at_the_limit_is_enough(prepared: Prepared) -> None:
    numbered = pl.int_range(pl.len()).over("event_date")
    rows = set_where(window_rows(per_day=400), on(FIRST) & (numbered < 20), is_fraud=None)
    prepared(rows)
    more = set_where(rows, on(FIRST) & (numbered < 21), is_fraud=None)
    with pytest.raises(TrainingRefused, match=r"379 of 400 transactions \(94\.8%\)"):
        prepared(more)


@pytest.mark.parametrize("name", ["fit", "validation", "test"])
@pytest.mark.parametrize("verdict", [True, False])
def test_a_part_of_one_class_is_named_with_its_days_and_count(
    prepared: Prepared, name: str, verdict: bool
) -> None:
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


def test_a_missing_and_a_mistyped_column_are_both_named(prepared: Prepared) -> None:
    rows = window_rows().drop("amount_log").with_columns(pl.col("device_new").cast(pl.Float32))
    with pytest.raises(
        TrainingRefused, match="amount_log is missing; device_new is Float32, not Float64"
    ):
        prepared(rows)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e39])
def test_a_feature_that_is_not_finite_as_float32_is_named_with_its_first_row(
    prepared: Prepared, value: float
) -> None:
    rows = window_rows()
    last, early = rows["transaction_id"][-1], rows["transaction_id"][7]
    faulty = pl.col("transaction_id").is_in([last, early])
    with pytest.raises(TrainingRefused) as refusal:
        prepared(set_where(rows, faulty, user_total_amount_24h=value))
    text = str(refusal.value)
    assert f"feature user_total_amount_24h isn't finite in 1 of 400 rows of {FIRST}" in text
    assert f"the first is transaction {early}: {value}" in text


def test_a_transaction_that_the_join_repeats_is_refused(prepared: Prepared) -> None:
    rows = window_rows()
    with pytest.raises(TrainingRefused, match=rf"on {FIRST} 2 training rows repeat a transaction"):
        prepared(pl.concat([rows, rows.head(2)]))


def test_the_matrix_of_one_row_is_that_row_of_the_matrix(dataset: Dataset) -> None:
    rows = window_rows().filter(pl.col("event_date") >= SPLIT.test.start)
    one = rows.sort("event_date", "transaction_id")[5]
    np.testing.assert_array_equal(matrix_of(one), dataset.test.matrix[5:6])


def test_chunks_and_samples_are_pieces_of_the_matrix(dataset: Dataset) -> None:
    part = dataset.fit
    for most in (1, 7, 400, 10_000):
        np.testing.assert_array_equal(np.concatenate([*part.chunks(most)]), part.matrix)
    np.testing.assert_array_equal(part.sample(900), part.matrix[::3])


def test_the_days_of_the_gap_are_nobodys(prepared: Prepared) -> None:
    training = msgspec.structs.replace(TRAINING, gap_days=2)
    whole, made = prepared(window_rows()), prepared(window_rows(), training)
    assert made.fit.days.days == whole.fit.days.days - 2
    assert made.validation.rows.equals(whole.validation.rows)
    kept = whole.fit.rows["event_date"] < made.fit.days.end
    assert made.fit.rows.equals(whole.fit.rows.filter(kept))


def test_a_random_split_takes_the_same_share_of_each_class_of_each_day(prepared: Prepared) -> None:
    training = msgspec.structs.replace(TRAINING, split="random", validation_days=2)
    made, whole = prepared(window_rows(), training), prepared(window_rows())
    both = pl.concat([made.fit.rows, made.validation.rows])
    before = pl.concat([whole.fit.rows, whole.validation.rows])
    order = ["event_date", "transaction_id"]
    assert both.sort(order).equals(before.sort(order))
    assert made.test.rows.equals(whole.test.rows)
    key = ["event_date", "is_fraud"]
    counts = both.group_by(key).len().join(made.validation.rows.group_by(key).len(), on=key)
    assert counts.height == 2 * made.fit.days.days
    assert all(drawn == round(rows * 2 / 7) for _, _, rows, drawn in counts.iter_rows())
    again = prepared(window_rows().sample(fraction=1, shuffle=True, seed=1), training)
    assert again.validation.rows.equals(made.validation.rows)


def test_thinning_leaves_every_fraud_and_a_share_of_the_rest(prepared: Prepared) -> None:
    whole = prepared(window_rows())
    made = prepared(window_rows(), msgspec.structs.replace(TRAINING, negative_share=0.2))
    assert made.fit.is_fraud.sum() == whole.fit.is_fraud.sum()
    left = (~made.fit.is_fraud).sum() / (~whole.fit.is_fraud).sum()
    assert left == pytest.approx(0.2, abs=0.03)
    assert made.validation.rows.equals(whole.validation.rows)


def test_no_validation_days_leave_that_part_empty(prepared: Prepared) -> None:
    made = prepared(window_rows(), msgspec.structs.replace(TRAINING, validation_days=0))
    assert made.validation.is_fraud.size == 0
    assert made.fit.days.days == 7


def test_of_a_draw_only_what_passed_counts_and_the_test_days_end_at_its_limit(
    prepared: Prepared,
) -> None:
    rows, plain = window_rows(), prepared(window_rows())
    n = pl.int_range(pl.len()).over("event_date")
    large = pl.col("amount_cents") > 20_000
    blocked = (n < 5) & ~large
    drawn = rows.with_columns(
        weight=pl.when(~blocked).then(pl.when(n < 8).then(4.0).otherwise(1.0)), over_limit=large
    ).pipe(set_where, blocked, is_fraud=None)  # of which nobody knows what they were

    made = prepared(drawn)

    ids = rows.filter(~blocked)["transaction_id"]
    for name in ("fit", "validation", "test"):
        part, whole = getattr(made, name), getattr(plain, name).rows
        kept = whole.filter(pl.col("transaction_id").is_in(ids.implode()))
        if name == "test":
            kept = kept.filter(~large)
        assert part.rows.drop("weight").equals(kept)
        assert part.matrix.shape[0] == kept.height
        passed = part.rows.filter(weight=4).height
        days = pl.col("event_date").is_between(part.days.start, part.days.last)
        assert passed > 0
        assert part.weighed == Weighed(
            passed=passed,
            counted=4.0 * passed,
            blocked=drawn.filter(days, pl.col("weight").is_null()).height,
            over_limit=drawn.filter(days, large).height if name == "test" else 0,
        )
    assert plain.fit.weighed is None
