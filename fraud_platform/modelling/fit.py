"""Fitting the trees: XGBoost with every parameter that matters written down."""

from collections.abc import Callable, Sequence

import numpy as np
import xgboost as xgb
from xgboost.callback import TrainingCallback

from fraud_platform.modelling.dataset import Part
from fraud_platform.modelling.monotone import constraints
from fraud_platform.modelling.scored import weight_of
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.settings import Training

Progress = Callable[[int, int], None]
MAX_BIN = 256


def parameters(
    training: Training, features: Sequence[str], *, positive_weight: float, threads: int = 0
) -> dict[str, object]:
    """XGBoost's parameters, none of those that shape the model left to its defaults.

    Major versions change defaults: 2.0 began to estimate `base_score` from the labels and made
    `hist` the method. `threads` 0 takes all cores; the model is the same for any number.
    """
    found: dict[str, object] = {
        "objective": "binary:logistic",
        "eval_metric": "aucpr",
        "tree_method": "hist",
        "device": training.device,
        "base_score": 0.5,
        "max_bin": MAX_BIN,
        "max_depth": training.depth,
        "learning_rate": training.learning_rate,
        "subsample": training.row_share,
        "colsample_bytree": training.feature_share,
        "min_child_weight": training.min_child_weight,
        "reg_lambda": training.l2,
        "num_parallel_tree": training.parallel_trees,
        "scale_pos_weight": positive_weight,
        "seed": training.seed,
        "nthread": threads,
    }
    if training.monotone:
        found["monotone_constraints"] = constraints(features)
    return found


def positive_weight(part: Part, training: Training) -> float:
    """What a fraud weighs beside a legitimate row of the fit, by `training.class_balance`, beyond
    the weights that rows have of their own.

    Raises TrainingRefused where one class is missing.
    """
    positives = int(np.count_nonzero(part.is_fraud))
    negatives = part.is_fraud.size - positives
    if not positives or not negatives:
        raise TrainingRefused(
            f"{positives:,} of {part.is_fraud.size:,} rows to fit on are fraud; "
            "both classes are needed"
        )
    weight = weight_of(part.rows)
    if weight is not None:
        positives = float(weight[part.is_fraud].sum())
        negatives = float(weight.sum()) - positives
    return (negatives / positives) ** training.class_balance


def fit(
    part: Part,
    training: Training,
    *,
    validation: Part | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> xgb.Booster:
    """A booster fitted on `part`, with the names of its features stored in it.

    Frauds weigh more than other rows (`positive_weight`), so the scores rank and don't claim to be
    calibrated. With `validation` the trees end where its average precision was best.
    The same rows give the same bytes of `save_raw("ubj")`, whatever the order that
    `dataset.prepare` got them in and the number of threads. `progress` is called after each round
    with (rounds so far, rounds in all). Raises TrainingRefused where one class is missing.
    """
    weight = positive_weight(part, training)
    data = binned(part, threads=threads)
    stop = training.early_stopping_rounds if validation else 0
    evals = []
    if validation and stop:
        evals = [(binned(validation, like=data, threads=threads), "validation")]
    booster = xgb.train(
        parameters(training, part.features, positive_weight=weight, threads=threads),
        data,
        num_boost_round=training.trees,
        evals=evals,
        early_stopping_rounds=stop or None,
        verbose_eval=False,
        callbacks=[_Report(progress, training.trees)] if progress else None,
    )
    if not stop:
        return booster
    best = booster[: booster.best_iteration + 1]
    best.set_attr(best_iteration=None, best_score=None)  # of the trees that are gone
    return best


def binned(
    part: Part, *, like: xgb.QuantileDMatrix | None = None, threads: int = 0
) -> xgb.QuantileDMatrix:
    """The part as XGBoost trains on it, binned while it is read; `like` gives its bins."""
    return xgb.QuantileDMatrix(_Chunks(part), max_bin=MAX_BIN, nthread=threads or None, ref=like)


class _Chunks(xgb.DataIter):
    """Hands a part to XGBoost piece by piece, as often as it asks."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part
        self._weight = weight_of(part.rows)
        self.reset()

    def reset(self) -> None:
        self._chunks, self._read = self._part.chunks(), 0

    def next(self, input_data: Callable[..., None]) -> bool:
        matrix = next(self._chunks, None)
        if matrix is None:
            return False
        here = slice(self._read, self._read + len(matrix))
        label = self._part.is_fraud[here]
        self._read = here.stop
        input_data(
            data=matrix,
            label=label.astype(np.float32),
            feature_names=list(self._part.features),
            weight=None if self._weight is None else self._weight[here],
        )
        return True


class _Report(TrainingCallback):
    """Passes XGBoost's rounds on to a progress callback."""

    def __init__(self, progress: Progress, total: int) -> None:
        super().__init__()
        self.progress, self.total = progress, total

    def after_iteration(self, model: object, epoch: int, evals_log: object) -> bool:  # noqa: ARG002
        self.progress(epoch + 1, self.total)
        return False
