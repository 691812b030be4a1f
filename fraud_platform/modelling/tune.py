"""Better trees by search: Optuna over what shapes them, in a study that survives its process."""

import fcntl
import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import xgboost as xgb

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.dataset import Dataset
from fraud_platform.modelling.fit import Progress, fit
from fraud_platform.modelling.predict import margins
from fraud_platform.modelling.scored import weight_of
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.settings import Training

if TYPE_CHECKING:
    import optuna

SPACE = {
    "depth": (3, 8),
    "learning_rate": (0.01, 0.3),
    "row_share": (0.5, 1.0),
    "feature_share": (0.3, 1.0),
    "class_balance": (0.0, 1.0),
    "min_child_weight": (0.0, 30.0),
    "l2": (0.0, 20.0),
}
"""Settings that are searched, from least to most; a value that was set outside widens its range.

How many trees there are isn't searched: early stopping finds it for each.
"""
LOGARITHMIC = frozenset({"learning_rate"})
_SPENT = "seconds"


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """The best settings of a study, and how they compare.

    `given` and `best` are average precisions on the validation rows, of the settings as they were
    and of the best; `trials` is how many were compared, the given ones among them.
    """

    training: Training
    study: str
    trials: int
    given: float
    best: float


class _OutOfTime(Exception):  # noqa: N818 - no fault
    pass


def tune(
    data: Dataset,
    training: Training,
    store: Path,
    day: date,
    *,
    trials: int | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """The settings with the trees that do best on the validation rows of `day`'s data.

    It looks for `training.tune_minutes`, or until `trials` are done. The given settings are tried
    first, so no others are taken that do worse; each trial is the model that `train` would fit, the
    next one chosen by TPE (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011). The
    study is kept in the SQLite file `store`, and found again by the same day, data and settings:
    what a killed run tried is not tried again, and after the minutes are over a repeated run gives
    the same answer at once. As many trials in one go as in several choose the same. `progress` is
    called with seconds spent and allowed. Raises TrainingRefused where there are no validation
    rows, PredictFlowError where Optuna isn't installed.
    """
    _check(data, training)
    from optuna.trial import TrialState  # noqa: PLC0415 - an extra

    box = 60.0 * training.tune_minutes
    name = f"{day} {_fingerprint(data, training)}"
    with _study(store, name) as study:
        while True:
            done = study.get_trials(states=(TrialState.COMPLETE,))
            spent = float(study.user_attrs.get(_SPENT, 0.0))
            if progress:
                progress(min(int(spent), int(box)), int(box))
            if done and (spent >= box if trials is None else len(done) >= trials):
                break
            begun = time.monotonic()
            # The given settings are tried whatever it takes.
            until = begun + box - spent if done and trials is None else math.inf
            _try_next(study, len(done), data, training, threads, until)
            study.set_user_attr(_SPENT, spent + time.monotonic() - begun)
    best = max(done, key=lambda one: (one.values[0], -one.number))
    return Tuned(
        training=msgspec.structs.replace(training, **best.params),
        study=name,
        trials=len(done),
        given=done[0].values[0],
        best=best.values[0],
    )


def _try_next(
    study: "optuna.Study", done: int, data: Dataset, training: Training, threads: int, until: float
) -> None:
    """One trial more: of the given settings where none is done, else of what TPE asks for."""
    from optuna.samplers import TPESampler  # noqa: PLC0415
    from optuna.trial import TrialState, create_trial  # noqa: PLC0415

    given = {name: getattr(training, name) for name in SPACE}
    space = _space(given)
    if not done:
        value = _average_precision(data, training, threads, until)
        study.add_trial(create_trial(params=given, distributions=space, value=value))
        return
    # Seeded by how many are done, so that it doesn't matter in how many runs they were.
    seed = np.random.SeedSequence([training.seed, done]).generate_state(1)
    study.sampler = TPESampler(seed=int(seed[0]))
    trial = study.ask(space)
    tried = msgspec.structs.replace(training, **trial.params)
    try:
        value = _average_precision(data, tried, threads, until)
    except _OutOfTime:
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
    else:
        study.tell(trial, value, skip_if_finished=True)


def _check(data: Dataset, training: Training) -> None:
    if find_spec("optuna") is None:
        raise PredictFlowError(
            f"training.tune_minutes is {training.tune_minutes}, which needs Optuna: install it "
            "with `pip install 'predictflow[tune]'`, or set training.tune_minutes to 0"
        )
    if not data.validation.is_fraud.size:
        raise TrainingRefused(
            f"training.tune_minutes is {training.tune_minutes}, but there are no validation rows "
            "to compare trials on; set training.validation_days to 1 or more, or tune_minutes to 0"
        )


@contextmanager
def _study(store: Path, name: str) -> "Iterator[optuna.Study]":
    """The study of this name; trials that a killed process left running are failed."""
    import optuna  # noqa: PLC0415
    from optuna.storages import RDBStorage  # noqa: PLC0415
    from optuna.trial import TrialState  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.with_suffix(".lock").open("w") as lock:
        # Two processes that make the tables at once would be in each other's way.
        fcntl.flock(lock, fcntl.LOCK_EX)
        storage = RDBStorage(f"sqlite:///{store}", engine_kwargs={"connect_args": {"timeout": 60}})
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
    try:
        for left in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(left.number, state=TrialState.FAIL, skip_if_finished=True)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _space(given: Mapping[str, Any]) -> dict[str, Any]:
    from optuna.distributions import FloatDistribution, IntDistribution  # noqa: PLC0415

    found: dict[str, Any] = {}
    for name, (low, high) in SPACE.items():
        least, most = min(low, given[name]), max(high, given[name])
        if isinstance(low, int):
            found[name] = IntDistribution(least, most)
        else:
            found[name] = FloatDistribution(least, most, log=name in LOGARITHMIC)
    return found


def _average_precision(data: Dataset, training: Training, threads: int, until: float) -> float:
    """Of the model that these settings give, on the validation rows; _OutOfTime past `until`."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415

    def watch(done: int, total: int) -> None:  # noqa: ARG001
        if time.monotonic() > until:
            raise _OutOfTime

    booster = fit(data.fit, training, validation=data.validation, threads=threads, progress=watch)
    scores = np.concatenate([margins(booster, chunk) for chunk in data.validation.chunks()])
    weight = weight_of(data.validation.rows)
    return float(average_precision_score(data.validation.is_fraud, scores, sample_weight=weight))


def _fingerprint(data: Dataset, training: Training) -> str:
    """Of all that a trial's figure depends on; how long one looks isn't part of it."""
    lasting = msgspec.structs.replace(training, tune_minutes=0)
    found = hashlib.sha256(msgspec.json.encode([lasting, SPACE, xgb.__version__]))
    for part in (data.fit, data.validation):
        found.update(msgspec.json.encode([part.days, part.features]))
        found.update(part.is_fraud.tobytes())
        if (weight := weight_of(part.rows)) is not None:
            found.update(weight.tobytes())
        with part.file.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
