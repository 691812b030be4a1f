import msgspec
import numpy as np
import pytest

from fraud_platform.modelling.calibration import expected_calibration_error
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.predict import load_booster, predict
from fraud_platform.modelling.train import train
from fraud_platform_tests.modelling.conftest import Prepared
from fraud_platform_tests.modelling.generated import TRAINING, window_rows


def test_equal_rows_and_settings_give_equal_bytes_and_figures(prepared: Prepared) -> None:
    rows = window_rows()
    first = train(prepared(rows), TRAINING)
    again = train(prepared(rows.sample(fraction=1, shuffle=True, seed=9)), TRAINING, threads=1)
    assert first.booster.save_raw("ubj") == again.booster.save_raw("ubj")
    assert (first.calibration, first.threshold) == (again.calibration, again.threshold)


def test_calibrated_scores_mean_what_they_say_on_days_that_were_not_seen(dataset: Dataset) -> None:
    made, raw = (
        train(dataset, TRAINING),
        train(dataset, msgspec.structs.replace(TRAINING, calibration="none")),
    )
    assert raw.calibration is None
    error = {
        name: expected_calibration_error(
            model.score(dataset.test)["score"].to_numpy(), dataset.test.is_fraud
        )
        for name, model in (("calibrated", made), ("raw", raw))
    }
    # Frauds weigh twenty times as much in the fit, so raw scores are far too high.
    assert error["raw"] > 0.1
    assert error["calibrated"] < 0.03


def test_the_service_scores_calibrated_rows_to_the_same_bits(dataset: Dataset) -> None:
    made = train(dataset, TRAINING)
    served = load_booster(bytes(made.booster.save_raw("ubj")), dataset.test.features)
    matrix = dataset.test.matrix
    single = [predict(served, matrix[i : i + 1], made.calibration)[0] for i in range(len(matrix))]
    assert made.score(dataset.test)["score"].to_numpy().tobytes() == np.array(single).tobytes()


def test_without_validation_days_nothing_is_chosen(prepared: Prepared) -> None:
    training = msgspec.structs.replace(TRAINING, validation_days=0, threshold_fixed=0.6)
    made = train(prepared(window_rows(), training), training)
    assert made.calibration is None
    assert made.booster.num_boosted_rounds() == training.trees
    assert (made.threshold.value, made.threshold.tuned) == (0.6, False)


@pytest.mark.parametrize("parallel", [1, 3])
def test_trees_side_by_side_are_one_model(dataset: Dataset, parallel: int) -> None:
    training = msgspec.structs.replace(TRAINING, parallel_trees=parallel, early_stopping_rounds=0)
    booster = train(dataset, training).booster
    assert booster.num_boosted_rounds() == training.trees
    assert len(booster.get_dump()) == training.trees * parallel
