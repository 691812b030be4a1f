"""Tuning: never worse, the same for the same data, and resumable after a kill."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from sklearn.metrics import average_precision_score

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling import tune as tuning
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.train import train
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.modelling.tune import SPACE, tune
from fraud_platform.settings import Training
from fraud_platform_tests.modelling.generated import DAY, TRAINING, window_rows

optuna = pytest.importorskip("optuna", reason="tuning is an extra")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tuning.db"


def states(store: Path, study: str) -> list[str]:
    found = optuna.load_study(study_name=study, storage=f"sqlite:///{store}")
    return [trial.state.name for trial in found.get_trials(deepcopy=False)]


def test_the_tuned_model_is_at_least_as_good_on_the_validation_rows(
    dataset: Dataset, store: Path
) -> None:
    found = tune(dataset, TRAINING, store, DAY, trials=8)
    assert found.trials == 8
    for training, promised in ((TRAINING, found.given), (found.training, found.best)):
        model = train(dataset, msgspec.structs.replace(training, calibration="none"))
        scores = model.score(dataset.validation)["score"]
        reached = average_precision_score(dataset.validation.is_fraud, scores)
        assert reached == pytest.approx(promised, abs=1e-6)
    assert found.best > found.given
    unsearched = {name: getattr(TRAINING, name) for name in SPACE}
    assert msgspec.structs.replace(found.training, **unsearched) == TRAINING


def test_equal_data_and_settings_are_tuned_alike(dataset: Dataset, tmp_path: Path) -> None:
    found = [tune(dataset, TRAINING, tmp_path / f"{i}.db", DAY, trials=5) for i in range(2)]
    assert found[0] == found[1]


def _killed_in_a_trial(dataset: Dataset, store: Path, after: int) -> None:
    real, calls = tuning._average_precision, count()

    def dying(*given: object) -> float:
        if next(calls) == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)  # type: ignore[arg-type]

    tuning._average_precision = dying
    tune(dataset, TRAINING, store, DAY, trials=6)


def test_what_a_killed_run_tried_is_not_tried_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(dataset, TRAINING, tmp_path / "whole.db", DAY, trials=6)
    store = tmp_path / "killed.db"
    process = get_context("spawn").Process(target=_killed_in_a_trial, args=(dataset, store, 3))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert states(store, whole.study) == [*["COMPLETE"] * 3, "RUNNING"]
    tried = counted(monkeypatch)
    assert tune(dataset, TRAINING, store, DAY, trials=6) == whole
    assert len(tried) == 3
    assert states(store, whole.study) == [*["COMPLETE"] * 3, "FAIL", *["COMPLETE"] * 3]


def test_when_the_minutes_are_over_a_repeated_run_gives_the_same_answer_at_once(
    dataset: Dataset, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second passes whenever the clock is read: after each tree, and around each trial.
    monkeypatch.setattr(tuning, "time", SimpleNamespace(monotonic=count().__next__))
    training = msgspec.structs.replace(TRAINING, tune_minutes=1, early_stopping_rounds=0)
    seen: list[tuple[int, int]] = []
    found = tune(dataset, training, store, DAY, progress=lambda *at: seen.append(at))
    assert states(store, found.study) == [*["COMPLETE"] * found.trials, "FAIL"]
    assert 2 < found.trials < 60 / training.trees
    assert seen[-1] == (60, 60)
    tried = counted(monkeypatch)
    assert tune(dataset, training, store, DAY) == found
    assert tried == []


def test_more_minutes_go_on_with_the_study_and_other_settings_begin_another(
    dataset: Dataset, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def study(training: Training, data: Dataset = dataset) -> str:
        return tune(data, training, store, DAY, trials=1).study

    first = study(TRAINING)
    assert first.startswith(f"{DAY} ")
    assert study(msgspec.structs.replace(TRAINING, tune_minutes=9)) == first
    turned = msgspec.structs.replace(dataset.fit, is_fraud=~dataset.fit.is_fraud)
    others = {
        study(msgspec.structs.replace(TRAINING, seed=1)),
        study(TRAINING, msgspec.structs.replace(dataset, fit=turned)),
        study(TRAINING, msgspec.structs.replace(dataset, fit=dataset.validation)),
    }
    assert len(others - {first}) == 3


def test_settings_outside_the_ranges_are_tried_first_too(dataset: Dataset, store: Path) -> None:
    training = msgspec.structs.replace(TRAINING, depth=10, l2=50.0, learning_rate=0.9)
    tune(dataset, training, store, DAY, trials=3)
    first = optuna.load_study(study_name=None, storage=f"sqlite:///{store}").get_trials()[0]
    assert first.params == {name: getattr(training, name) for name in SPACE}


def test_without_optuna_the_mend_is_told(
    dataset: Dataset, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    training = msgspec.structs.replace(TRAINING, tune_minutes=5)
    with pytest.raises(
        PredictFlowError, match=r"tune_minutes is 5.*pip install 'predictflow\[tune"
    ):
        tune(dataset, training, store, DAY)


def test_without_validation_rows_there_is_nothing_to_compare_on(
    prepared: Callable[..., Dataset], store: Path
) -> None:
    training = msgspec.structs.replace(TRAINING, validation_days=0, tune_minutes=5)
    with pytest.raises(TrainingRefused, match=r"set training\.validation_days to 1 or more"):
        tune(prepared(window_rows(), training), training, store, DAY)
    assert not store.exists()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Training]:
    """The settings of the models that are fitted from here on."""
    real, tried = tuning._average_precision, []

    def counting(data: Dataset, training: Training, threads: int, until: float) -> float:
        tried.append(training)
        return real(data, training, threads, until)

    monkeypatch.setattr(tuning, "_average_precision", counting)
    return tried
